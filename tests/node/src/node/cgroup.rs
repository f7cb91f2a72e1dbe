//! The cgroup everything of a node lives under: `node` for its processes, `kubepods` for its pods.
//! It is how `down` finds every process. Both cgroup versions are handled; only version 1 has been run so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec;

enum Layout {
    /// Mount points of all hierarchies.
    V1(Vec<PathBuf>),
    /// The one mount point.
    V2(PathBuf),
}

/// Makes the cgroups of a node.
pub fn up(name: &str) -> Result<()> {
    match layout()? {
        Layout::V1(hierarchies) => {
            for hierarchy in hierarchies {
                let folder = hierarchy.join(name);
                create(&folder)?;
                fill_cpuset(&hierarchy, &folder)?;
            }
        }
        Layout::V2(root) => {
            let folder = root.join(name);
            create(&folder)?;
            for parent in [&root, &folder] {
                for controller in ["cpuset", "cpu", "io", "memory", "pids"] {
                    // A controller the kernel lacks is reported by the kubelet, by name.
                    let _ = fs::write(
                        parent.join("cgroup.subtree_control"),
                        format!("+{controller}"),
                    );
                }
            }
        }
    }
    create(&process_folder(name)?)
}

/// 1 or 2.
pub fn version() -> Result<u8> {
    Ok(match layout()? {
        Layout::V1(_) => 1,
        Layout::V2(_) => 2,
    })
}

/// A process that writes its pid here belongs to the node.
pub fn process_file(name: &str) -> Result<PathBuf> {
    Ok(process_folder(name)?.join("cgroup.procs"))
}

/// Every process under the node's cgroups.
pub fn processes(name: &str) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for folder in roots(name)? {
        visit(&folder, &mut |folder| {
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        });
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// Removes the node's cgroups, which must be empty.
pub fn down(name: &str) -> Result<()> {
    let roots = roots(name)?;
    exec::wait_until(
        &format!("the end of the cgroups {name}"),
        Duration::from_secs(15),
        || {
            for folder in &roots {
                // Innermost first: `visit` calls back after the children.
                visit(folder, &mut |folder| drop(fs::remove_dir(folder)));
            }
            Ok(roots.iter().all(|folder| !folder.exists()))
        },
    )
}

/// In every hierarchy: where both versions are mounted, the kubelet's runtime uses the second as well.
fn roots(name: &str) -> Result<Vec<PathBuf>> {
    let mounts = [mounts_of("cgroup")?, mounts_of("cgroup2")?].concat();
    Ok(mounts
        .into_iter()
        .map(|mount| mount.join(name))
        .filter(|folder| folder.exists())
        .collect())
}

fn process_folder(name: &str) -> Result<PathBuf> {
    let mount = match layout()? {
        Layout::V1(hierarchies) => hierarchies
            .into_iter()
            .find(|path| path.ends_with("pids"))
            .context("no `pids` cgroup hierarchy is mounted: mount it under /sys/fs/cgroup/pids")?,
        Layout::V2(root) => root,
    };
    Ok(mount.join(name).join("node"))
}

fn layout() -> Result<Layout> {
    let first = mounts_of("cgroup")?;
    if !first.is_empty() {
        return Ok(Layout::V1(first));
    }
    match mounts_of("cgroup2")?.into_iter().next() {
        Some(root) => Ok(Layout::V2(root)),
        None => bail!("no cgroup filesystem is mounted: mount one at /sys/fs/cgroup"),
    }
}

fn mounts_of(kind: &str) -> Result<Vec<PathBuf>> {
    let mounts =
        fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let matching = fields.filter(|field| field.get(2) == Some(&kind));
    Ok(matching
        .filter_map(|field| field.get(1).map(PathBuf::from))
        .collect())
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the cgroup {}", folder.display()))
}

/// A version 1 cpuset accepts no process until it is told its CPUs and memory nodes.
fn fill_cpuset(hierarchy: &Path, folder: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let Ok(inherited) = fs::read_to_string(hierarchy.join(file)) else {
            continue;
        };
        let current = fs::read_to_string(folder.join(file)).unwrap_or_default();
        if current.trim().is_empty() {
            fs::write(folder.join(file), inherited.trim())
                .with_context(|| format!("cannot set {file} of {}", folder.display()))?;
        }
    }
    Ok(())
}

fn visit(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(&entry.path(), each);
        }
    }
    each(folder);
}
