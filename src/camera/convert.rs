//! Raw pictures of devices → [`super::picture::I420`].
