//! Who a container's processes are: the image's `USER` and the security context, resolved from the
//! image's own `passwd` and `group`, never from the node's and never by the C library.

use std::path::Path;

use crate::overlay::read_inside;
use crate::runtime::Security;

/// A user with its groups and home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
}

/// A user that cannot be resolved.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum UserError {
    /// The name is not in the image.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// The group is not in the image.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
}

/// The user of a container: `runAsUser` and `runAsGroup` before the image's `USER`, root if neither says.
pub(crate) fn resolve(
    root: &Path,
    image_user: &str,
    security: &Security,
) -> Result<User, UserError> {
    let passwd = read_inside(root, "etc/passwd");
    let group = read_inside(root, "etc/group");
    resolve_in(&passwd, &group, image_user, security)
}

fn resolve_in(
    passwd: &str,
    group: &str,
    image_user: &str,
    security: &Security,
) -> Result<User, UserError> {
    let asked = match security.run_as_user {
        Some(uid) => uid.to_string(),
        None => image_user.to_owned(),
    };
    let (name, asked_group) = asked.split_once(':').unwrap_or((&asked, ""));
    let name = if name.is_empty() { "0" } else { name };
    let entry = Passwd::find(passwd, name);
    let uid = match (&entry, name.parse()) {
        (Some(entry), _) => entry.uid,
        (None, Ok(uid)) => uid,
        (None, Err(_)) => return Err(UserError::NoUser(name.to_owned())),
    };
    let gid = match (security.run_as_group, asked_group) {
        (Some(gid), _) => gid,
        (None, "") => entry.as_ref().map_or(0, |entry| entry.gid),
        (None, asked) => {
            group_id(group, asked).ok_or_else(|| UserError::NoGroup(asked.to_owned()))?
        }
    };
    let mut groups = vec![gid];
    if let Some(entry) = &entry {
        groups.extend(memberships(group, &entry.name));
    }
    groups.extend(&security.supplemental_groups);
    groups.sort_unstable();
    groups.dedup();
    let home = entry
        .map(|entry| entry.home)
        .filter(|home| !home.is_empty())
        .unwrap_or_else(|| "/".to_owned());
    Ok(User {
        uid,
        gid,
        groups,
        home,
    })
}

struct Passwd {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

impl Passwd {
    /// By name, or by number if no user has that name.
    fn find(passwd: &str, wanted: &str) -> Option<Self> {
        let entries = || passwd.lines().filter_map(Self::parse);
        let number: Option<u32> = wanted.parse().ok();
        entries()
            .find(|entry| entry.name == wanted)
            .or_else(|| entries().find(|entry| Some(entry.uid) == number))
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let home = fields.get(5).copied().unwrap_or_default().to_owned();
        Some(Self {
            name: (*fields.first()?).to_owned(),
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
            home,
        })
    }
}

fn group_id(group: &str, wanted: &str) -> Option<u32> {
    let named = group.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&wanted))
            .then(|| fields.get(2)?.parse().ok())
            .flatten()
    });
    named.or_else(|| wanted.parse().ok())
}

fn memberships(group: &str, user: &str) -> Vec<u32> {
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_member = fields
            .get(3)?
            .split(',')
            .any(|member| member.trim() == user);
        is_member.then(|| fields.get(2)?.parse().ok()).flatten()
    };
    group.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Seccomp;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:www:/srv:/bin/false\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nlogs:x:90:web,other\n";

    fn security(user: Option<u32>, group: Option<u32>) -> Security {
        Security {
            run_as_user: user,
            run_as_group: group,
            supplemental_groups: vec![7],
            privileged: false,
            no_new_privileges: false,
            add_capabilities: Vec::new(),
            drop_capabilities: Vec::new(),
            read_only_root: false,
            seccomp: Seccomp::Unconfined,
            unmasked_proc: false,
        }
    }

    fn check(
        image: &str,
        user: Option<u32>,
        group: Option<u32>,
        expected: (u32, u32, &[u32], &str),
    ) {
        let found = resolve_in(PASSWD, GROUP, image, &security(user, group)).unwrap();
        assert_eq!(
            (found.uid, found.gid, &found.groups[..], &found.home[..]),
            expected
        );
    }

    #[test]
    fn the_image_user_is_resolved_in_the_image() {
        check("", None, None, (0, 0, &[0, 7], "/root"));
        check("web", None, None, (33, 34, &[7, 34, 90], "/srv"));
        check("33", None, None, (33, 34, &[7, 34, 90], "/srv"));
        check("web:logs", None, None, (33, 90, &[7, 90], "/srv"));
        check("1000:1001", None, None, (1000, 1001, &[7, 1001], "/"));
    }

    #[test]
    fn the_security_context_comes_before_the_image() {
        check("web", Some(1000), None, (1000, 0, &[0, 7], "/"));
        check("web", Some(0), Some(5), (0, 5, &[5, 7], "/root"));
    }

    #[test]
    fn a_name_that_the_image_does_not_have_is_refused() {
        let refused = |image| resolve_in(PASSWD, GROUP, image, &security(None, None)).unwrap_err();
        assert_eq!(refused("nobody"), UserError::NoUser("nobody".to_owned()));
        assert_eq!(refused("web:none"), UserError::NoGroup("none".to_owned()));
    }
}
