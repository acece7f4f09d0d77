//! The user that a server runs as. PostgreSQL refuses to run as root, and then runs as a user without rights.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use super::program::find;
use super::{ResourceError, ResourceProgram};

/// A user that is not this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    user: u32,
    group: u32,
    /// What lets it pass the folders above its own, which are root's alone.
    passing: &'static str,
    setpriv: PathBuf,
}

impl Owner {
    /// Whom a server runs as, if not as this user: whoever has its data, or a user of the system.
    pub(super) fn of(program: ResourceProgram, data: &Path) -> Result<Option<Self>, ResourceError> {
        if program != ResourceProgram::Postgres || !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let none = |why: &str| ResourceError::Root { program, why: why.to_owned() };
        let setpriv = find("setpriv").ok_or_else(|| none("there is no setpriv to run it as another user"))?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let passing = passing(&status).ok_or_else(|| none("this root may not let another user into its folders"))?;
        let of_data = fs::metadata(data).ok().map(|data| (data.uid(), data.gid())).filter(|(user, _)| *user != 0);
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = of_data.or_else(|| ["postgres", "nobody"].into_iter().find_map(|name| user(&users, name)));
        let (user, group) = found.ok_or_else(|| none("there is neither a user postgres nor nobody"))?;
        Ok(Some(Self { user, group, passing, setpriv }))
    }

    /// Gives it a file or a folder.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }

    /// Its number and its group's.
    pub(super) fn ids(&self) -> (u32, u32) {
        (self.user, self.group)
    }

    /// A program and its arguments that run another as this user.
    pub(super) fn command(&self) -> (PathBuf, Vec<String>) {
        let Self { user, group, passing, setpriv } = self;
        let rights = [
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--clear-groups".to_owned(),
            format!("--inh-caps=-all,+{passing}"),
            format!("--ambient-caps=-all,+{passing}"),
        ];
        (setpriv.clone(), rights.into())
    }
}

/// The least right of those that this process has (proc(5), `CapPrm`) by which one passes a folder of another user.
fn passing(status: &str) -> Option<&'static str> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapPrm:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    // capabilities(7) has their numbers in linux/capability.h.
    [(2, "dac_read_search"), (1, "dac_override")]
        .into_iter()
        .find(|(bit, _)| mask & (1 << bit) != 0)
        .map(|(_, name)| name)
}

/// A user and its group (passwd(5)), unless it is root.
fn user(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse::<u32>().ok());
    let (user, group) = (fields.next()??, fields.next()??);
    (user != 0).then_some((user, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_is_never_root() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104::/var/lib/postgresql:/bin/bash\nother:x:0:0::/:\nbad\n";
        assert_eq!(user(users, "postgres"), Some((101, 104)));
        for name in ["root", "other", "bad", "nobody", ""] {
            assert_eq!(user(users, name), None, "{name}");
        }
    }

    #[test]
    fn folders_are_passed_by_the_least_right_there_is() {
        let of = |mask: &str| passing(&format!("Name:\tdyn\nCapInh:\t0\nCapPrm:\t{mask}\nCapEff:\t0\n"));
        assert_eq!(of("000001ffffffffff"), Some("dac_read_search"));
        assert_eq!(of("00000000a80425fb"), Some("dac_override"), "a container of Docker's");
        assert_eq!((of("0000000000000000"), of("x"), passing("")), (None, None, None));
    }
}
