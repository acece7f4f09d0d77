//! File systems that do not tell of changes.

use std::path::Path;

/// The file systems whose changes may be made elsewhere (another machine, the other side of a virtual machine, a program),
/// by the magic numbers of `statfs(2)`: the kernel tells only of those that were made here.
const SILENT: [(u32, &str); 19] = [
    (0x6573_5546, "FUSE or virtiofs"),
    (0x0102_1997, "9p"),
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
    (0x786f_4256, "VirtualBox shared folder"),
    (0xbacb_acbc, "VMware shared folder"),
    (0x7c7c_6673, "Parallels shared folder"),
    (0x0000_564c, "NCP"),
];

/// The kind of file system a folder is on, where that tells of no changes made elsewhere.
pub(crate) fn silent(folder: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    // The kernel's numbers are 32 bits wide; some libraries extend their sign.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low 32 bits are the number")]
    let kind = kind as u32;
    named(kind)
}

fn named(kind: u32) -> Option<&'static str> {
    SILENT.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_others_are_silent_and_local_disks_are_not() {
        for (kind, name) in [(0x6573_5546, "FUSE or virtiofs"), (0x0102_1997, "9p"), (0xff53_4d42, "CIFS")] {
            assert_eq!(named(kind), Some(name));
        }
        // ext4, btrfs, tmpfs, overlayfs, xfs.
        for kind in [0xef53, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x5846_5342] {
            assert_eq!(named(kind), None);
        }
        assert_eq!(silent(Path::new("/proc")), None);
        assert_eq!(silent(Path::new("/no/such/folder")), None);
    }
}
