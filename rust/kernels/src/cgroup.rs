//! What control groups allow this process: CPU time and memory, versions 1 and 2, a container's or a scheduler's.
//!
//! A limit may stand at any ancestor of the process's group, and inside a container the path that the kernel reports
//! need not exist below the mount point; so every ancestor down to the root is asked, and the tightest answer counts.

/// Reads a file; tests put a table in its place.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads from the file system.
pub(crate) fn read_file(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// CPUs' worth of time per wall time that this process may use, if limited.
pub(crate) fn cpu_quota(read: Read) -> Option<f64> {
    let v2 = folders(read, "", &["", "/unified"]).filter_map(|at| {
        let text = read(&format!("{at}/cpu.max"))?;
        let (quota, period) = text.trim().split_once(' ')?;
        ratio(quota, period)
    });
    let v1 = folders(read, "cpu", &["/cpu", "/cpu,cpuacct", "/cpuacct,cpu"])
        .filter_map(|at| ratio(&read(&format!("{at}/cpu.cfs_quota_us"))?, &read(&format!("{at}/cpu.cfs_period_us"))?));
    v2.chain(v1).min_by(f64::total_cmp)
}

/// Bytes of memory that this process's group may use, if limited.
pub(crate) fn memory_limit(read: Read) -> Option<usize> {
    let v2 = folders(read, "", &["", "/unified"]).map(|at| format!("{at}/memory.max"));
    let v1 = folders(read, "memory", &["/memory"]).map(|at| format!("{at}/memory.limit_in_bytes"));
    v2.chain(v1).filter_map(|file| read(&file)?.trim().parse().ok()).min()
}

/// `quota / period` where both are positive: version 1 writes -1, version 2 `max`, for no limit.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let positive = |text: &str| text.trim().parse().ok().filter(|&n: &f64| n > 0.0 && n.is_finite());
    Some(positive(quota)? / positive(period)?)
}

/// Folders of this process's group and its ancestors for one controller (version 2 has a single unnamed one).
fn folders(read: Read, controller: &str, mounts: &'static [&str]) -> impl Iterator<Item = String> + use<> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then(|| path.trim_end_matches('/').to_owned())
    });
    let mut ancestors = Vec::new();
    let mut path = group.as_deref();
    while let Some(here) = path {
        ancestors.push(here.to_owned());
        path = here.rfind('/').map(|slash| &here[..slash]);
    }
    ancestors.into_iter().flat_map(|path| mounts.iter().map(move |mount| format!("/sys/fs/cgroup{mount}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(files: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
    }

    fn quota(files: &'static [(&str, &str)]) -> Option<f64> {
        cpu_quota(&table(files))
    }

    #[test]
    fn version_2_takes_the_tightest_ancestor() {
        let files = &[
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
            ("/sys/fs/cgroup/cpu.max", "400000 100000\n"),
        ];
        assert_eq!(quota(files), Some(1.5));
    }

    #[test]
    fn version_1_in_a_container_whose_path_is_not_mounted() {
        let files = &[
            ("/proc/self/cgroup", "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
        ];
        assert_eq!(quota(files), Some(0.5));
        assert_eq!(memory_limit(&table(files)), Some(1 << 30));
    }

    #[test]
    fn no_limit_or_nonsense_is_none() {
        let v1 = &[
            ("/proc/self/cgroup", "4:cpu:/\n0::/\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/memory.max", "max\n"),
        ];
        assert_eq!(quota(v1), None);
        assert_eq!(memory_limit(&table(v1)), None);
        let odd = &[("/proc/self/cgroup", "garbage\n0::/\n"), ("/sys/fs/cgroup/cpu.max", "10 0\n")];
        assert_eq!(quota(odd), None);
        assert_eq!(quota(&[]), None);
    }
}
