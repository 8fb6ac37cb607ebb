//! Finds the real programs in KUBEBUILDER_ASSETS, on PATH, or in a cache outside the work tree that is keyed by
//! content. Otherwise it builds them from pinned Go modules into that cache.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::contained::{self, Network};
use crate::process::last_lines;
use crate::progress::Progress;
use crate::requirements::{Purpose, on_path, require};

/// The parts of a test bed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Parts {
    /// The parts of the demonstration: the control plane, the ingress controller, the ACME authority and its DNS.
    Demo,
    /// Also BIND. Helm, Prometheus and external-dns are available.
    #[default]
    All,
}

/// Programs that are built together.
struct Module {
    /// The directory beside this crate's manifest.
    name: &'static str,
    /// The name for users.
    title: &'static str,
    /// The programs that it builds. Those that end in `.yaml` are CRDs.
    programs: &'static [&'static str],
    /// The smallest test bed that needs it.
    parts: Parts,
}

const MODULES: [Module; 7] = [
    Module {
        name: "control-plane",
        title: "Kubernetes and etcd",
        programs: &["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
        parts: Parts::Demo,
    },
    Module {
        name: "ingress",
        title: "Traefik",
        programs: &["traefik", "gateway-api.yaml"],
        parts: Parts::Demo,
    },
    Module {
        name: "acme",
        title: "Pebble",
        programs: &["pebble", "pebble-challtestsrv"],
        parts: Parts::Demo,
    },
    Module { name: "helm", title: "Helm", programs: &["helm"], parts: Parts::All },
    Module {
        name: "monitoring",
        title: "Prometheus",
        programs: &["prometheus", "promtool", "podmonitors.yaml", "prometheusrules.yaml"],
        parts: Parts::All,
    },
    Module {
        name: "external-dns",
        title: "external-dns",
        programs: &["external-dns", "dnsendpoints.yaml"],
        parts: Parts::All,
    },
    Module { name: "flux", title: "Flux's CRD", programs: &["flux-kustomizations.yaml"], parts: Parts::All },
];

/// A build that was necessary.
#[derive(Clone, Debug)]
pub struct Built {
    /// What was built.
    pub what: String,
    /// How long it took.
    pub took: Duration,
}

/// The paths of all programs.
#[derive(Clone, Debug)]
pub struct Programs {
    paths: HashMap<String, PathBuf>,
}

impl Programs {
    /// Finds the programs of a test bed with all parts, and builds the missing ones.
    ///
    /// # Errors
    /// A program is missing and cannot be built; the error says what that needs.
    pub fn find_or_build() -> Result<Self> {
        Self::build(Parts::All)?;
        Self::find(Parts::All)
    }

    /// Builds the missing programs, one module after the other, and shows the progress.
    ///
    /// # Errors
    /// As for [`Programs::find_or_build`].
    pub fn build(parts: Parts) -> Result<Vec<Built>> {
        let mut missing = Vec::new();
        for module in modules(parts) {
            if module.directories()?.is_none() {
                missing.push(module);
            }
        }
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        // Also checks what the programs need to run, so that nobody waits for builds to hear that it is missing.
        match parts {
            Parts::Demo => require(Purpose::Demo, &["go", "setpriv", "unshare", "ip"])?,
            Parts::All => require(Purpose::Shell, &["go", "setpriv", "unshare", "ip", "named"])?,
        }
        let of = missing.len();
        let mut built = Vec::new();
        for (index, module) in missing.into_iter().enumerate() {
            built.extend(module.build(index + 1, of)?);
        }
        Ok(built)
    }

    /// Finds the programs.
    ///
    /// # Errors
    /// One is missing.
    pub fn find(parts: Parts) -> Result<Self> {
        let mut paths = HashMap::new();
        for module in modules(parts) {
            let found = module.directories()?;
            paths.extend(found.with_context(|| format!("{} is not built", module.described()))?);
        }
        Ok(Self { paths })
    }

    /// The path of a program.
    ///
    /// # Errors
    /// The test bed has no such program.
    pub fn path(&self, program: &str) -> Result<&Path> {
        self.paths
            .get(program)
            .map(PathBuf::as_path)
            .with_context(|| format!("{program} is none of the programs of this test bed"))
    }
}

fn modules(parts: Parts) -> impl Iterator<Item = &'static Module> {
    MODULES.iter().filter(move |module| parts == Parts::All || module.parts == Parts::Demo)
}

impl Module {
    fn described(&self) -> String {
        format!("{} ({})", self.name, self.title)
    }

    /// The directories of its programs, if all of them exist.
    fn directories(&self) -> Result<Option<HashMap<String, PathBuf>>> {
        let all: Option<HashMap<_, _>> =
            self.programs.iter().map(|program| Some(((*program).to_owned(), installed(program)?))).collect();
        if all.is_some() {
            return Ok(all);
        }
        let directory = self.directory()?;
        let cached = self.is_complete(&directory);
        Ok(cached.then(|| {
            self.programs.iter().map(|program| ((*program).to_owned(), directory.join(program))).collect()
        }))
    }

    /// The directory in the cache.
    fn directory(&self) -> Result<PathBuf> {
        Ok(cache()?.join(format!("{}-{}", self.name, key(&source(), self.name)?)))
    }

    fn is_complete(&self, directory: &Path) -> bool {
        self.programs.iter().all(|program| directory.join(program).exists())
    }

    /// Builds the module into the cache, unless another process has done so meanwhile.
    fn build(&self, number: usize, of: usize) -> Result<Option<Built>> {
        let what = self.described();
        let directory = self.directory()?;
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let lock = File::create(directory.join(".lock"))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            eprintln!("[{number}/{of}] waiting for {what}, which another process builds");
            lock.lock().context("cannot lock the cache")?;
        }
        if self.is_complete(&directory) {
            return Ok(None);
        }
        let mut progress = Progress::new(number, of, &what);
        let built = self.build_into(&directory, &mut progress);
        let took = progress.ended(if built.is_ok() { "took" } else { "failed after" });
        built.with_context(|| format!("{what} cannot be built"))?;
        Ok(Some(Built { what, took }))
    }

    fn build_into(&self, directory: &Path, progress: &mut Progress) -> Result<()> {
        let (partial, scratch) = (directory.join("partial"), directory.join("scratch"));
        // Left by an earlier build that was killed.
        for leftover in [&partial, &scratch] {
            if leftover.exists() {
                fs::remove_dir_all(leftover)?;
            }
        }
        fs::create_dir(&scratch)?;
        let log = directory.join("build.log");
        let output = File::create(&log)?;
        let mut command = contained::command(Network::Machine, "bash");
        command.arg(source().join("build.sh")).arg(self.name).arg(&partial).env("TMPDIR", &scratch);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut build = command.spawn().context("cannot run setpriv")?;
        let status = loop {
            if let Some(status) = build.try_wait()? {
                break status;
            }
            progress.goes_on();
            thread::sleep(LOOK);
        };
        if !status.success() {
            bail!("build.sh said, at the end of {}:\n{}", log.display(), last_lines(&log)?);
        }
        for entry in fs::read_dir(&partial)? {
            let entry = entry?;
            fs::rename(entry.path(), directory.join(entry.file_name()))?;
        }
        fs::remove_dir(&partial)?;
        fs::remove_dir_all(&scratch)?;
        Ok(())
    }
}

/// The interval between two checks of a build.
const LOOK: Duration = Duration::from_millis(200);

fn installed(program: &str) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(|directory| Path::new(&directory).join(program));
    assets.filter(|path| path.is_file()).or_else(|| on_path(program))
}

/// A digest of everything that determines the result of the build.
fn key(source: &Path, module: &str) -> Result<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(source.join(module))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    let script = fs::read_to_string(source.join("build.sh")).context("cannot read build.sh")?;
    let mut digest = Sha256::new();
    digest.update(recipe(&script, module));
    for file in files {
        digest.update(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        digest.update([0]);
    }
    Ok(HEXLOWER.encode(&digest.finalize())[..16].to_owned())
}

/// The lines of `build.sh` that concern a module: all but comments and the arms of other modules.
fn recipe(script: &str, module: &str) -> String {
    let mut arm = None;
    let mut recipe = String::new();
    for line in script.lines() {
        let name = line.strip_suffix(')').filter(|name| MODULES.iter().any(|module| module.name == *name));
        arm = name.or(arm);
        if arm.is_none_or(|arm| arm == module) && !line.trim_start().starts_with('#') {
            recipe.push_str(line);
            recipe.push('\n');
        }
        if line == "\t;;" {
            arm = None;
        }
    }
    recipe
}

fn source() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cache() -> Result<PathBuf> {
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => Path::new(&home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME is set: there is no place for the cache"),
    };
    Ok(base.join("akacert").join("testbed"))
}

/// One of this workspace's own programs, as cargo built it.
///
/// # Errors
/// It is not built yet.
pub fn own(program: &str) -> Result<PathBuf> {
    let this = env::current_exe()?;
    let candidates = this.ancestors().skip(1).take(2).map(|directory| directory.join(program));
    candidates.into_iter().find(|path| path.is_file()).with_context(|| {
        format!("`{program}` is not built: run `cargo build --workspace --features akacert/failpoints` first")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_module_has_a_key_of_its_own_that_does_not_change_by_itself() {
        let keys = || MODULES.iter().map(|module| key(&source(), module.name).unwrap());
        assert_eq!(keys().collect::<HashSet<_>>().len(), MODULES.len());
        assert!(keys().eq(keys()));
    }

    #[test]
    fn the_demonstration_needs_the_control_plane_the_ingress_controller_and_the_authority_only() {
        let names: Vec<_> = modules(Parts::Demo).map(|module| module.name).collect();
        assert_eq!(names, ["control-plane", "ingress", "acme"]);
    }

    #[test]
    fn what_another_module_is_built_with_does_not_concern_a_module() {
        let script = "# Builds\nset -e\ncase $1 in\ningress)\n\tgo build a\n\t;;\nacme)\n\t# Both.\n\tgo build b c\n\t;;\n*)\n\texit 2\n\t;;\nesac\n";
        assert_eq!(
            recipe(script, "acme"),
            "set -e\ncase $1 in\nacme)\n\tgo build b c\n\t;;\n*)\n\texit 2\n\t;;\nesac\n"
        );
    }
}
