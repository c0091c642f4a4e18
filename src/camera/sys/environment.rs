//! The process's environment, which may be written only while nobody else can read it.

use std::{env, fs};

/// Sets an environment variable, unless it is set already. Not where there are other threads, or may be: `false`.
pub fn set_default(name: &str, value: &str) -> bool {
    if env::var_os(name).is_some() {
        return true;
    }
    if !fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        return false;
    }
    // SAFETY: no other thread reads or writes the environment meanwhile: there is none, and this one starts none.
    unsafe { env::set_var(name, value) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_set_beside_other_threads() {
        const NAME: &str = "SET_BESIDE_OTHER_THREADS";
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || stopped.recv());
        assert!(!set_default(NAME, "1"));
        assert_eq!(env::var_os(NAME), None);
        assert!(set_default("PATH", "/nowhere"), "is set already");
        assert_ne!(env::var_os("PATH"), Some("/nowhere".into()));
        drop(stop);
        assert!(other.join().is_ok());
    }
}
