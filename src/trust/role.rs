//! What a viewer may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a viewer may do; each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches.
    View,
    /// Kept for sound.
    Talk,
    /// Lists, names, invites and revokes those below.
    Admin,
    /// The same, admins included.
    Owner,
}

/// What is wrong with a role.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of view, talk, admin, owner")]
pub struct RoleError;

impl Role {
    const ALL: [Self; 4] = [Self::View, Self::Talk, Self::Admin, Self::Owner];

    /// As in configs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Talk => "talk",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Whether it may list, name, invite and revoke.
    pub fn manages(self) -> bool {
        self >= Self::Admin
    }

    /// Whether it may give, or take, `other`.
    pub fn above(self, other: Self) -> bool {
        self.manages() && self > other
    }

    /// Its byte in a grant. An owner's cannot be granted, and has none.
    pub(super) fn code(self) -> Option<u8> {
        match self {
            Self::View => Some(1),
            Self::Talk => Some(2),
            Self::Admin => Some(3),
            Self::Owner => None,
        }
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == Some(code))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).ok(), Some(format!("\"{role}\"")));
        }
        assert_eq!("root".parse::<Role>(), Err(RoleError));
    }

    #[test]
    fn only_those_above_give() {
        assert!(Role::Owner.above(Role::Admin) && Role::Admin.above(Role::Talk));
        assert!(!Role::Admin.above(Role::Admin) && !Role::Owner.above(Role::Owner));
        assert!(!Role::Talk.above(Role::View), "who may talk does not invite");
    }

    #[test]
    fn an_owner_cannot_be_granted() {
        assert_eq!((0..=255).filter_map(Role::of_code).max(), Some(Role::Admin));
    }
}
