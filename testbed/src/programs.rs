//! Where the real programs come from: KUBEBUILDER_ASSETS, PATH, a cache outside the work tree keyed by content, or a
//! build from pinned Go modules into that cache.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::namespace::on_path;

/// The modules and the programs that each builds.
const MODULES: [(&str, &[&str]); 5] = [
    ("control-plane", &["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"]),
    // As those of the modules below, what ends in .yaml are CRDs.
    ("ingress", &["traefik", "gateway-api.yaml"]),
    ("tools", &["pebble", "pebble-challtestsrv", "helm"]),
    ("monitoring", &["prometheus", "promtool", "podmonitors.yaml", "prometheusrules.yaml"]),
    ("external-dns", &["external-dns", "dnsendpoints.yaml"]),
];

/// Where each program is.
#[derive(Clone, Debug)]
pub struct Programs {
    paths: HashMap<String, PathBuf>,
}

impl Programs {
    /// Finds all programs, and builds those that are nowhere.
    ///
    /// # Errors
    /// A program is nowhere and cannot be built; the error says what is missing.
    pub fn find_or_build() -> Result<Self> {
        let mut paths = HashMap::new();
        for (module, programs) in MODULES {
            let installed: Vec<_> =
                programs.iter().filter_map(|program| Some((*program, installed(program)?))).collect();
            if installed.len() == programs.len() {
                paths.extend(installed.into_iter().map(|(program, path)| (program.to_owned(), path)));
                continue;
            }
            let directory = built(module, programs)?;
            paths.extend(programs.iter().map(|program| ((*program).to_owned(), directory.join(program))));
        }
        Ok(Self { paths })
    }

    /// The path of a program.
    ///
    /// # Errors
    /// It is none of the test bed's.
    pub fn path(&self, program: &str) -> Result<&Path> {
        self.paths
            .get(program)
            .map(PathBuf::as_path)
            .with_context(|| format!("{program} is no program of the test bed"))
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(|directory| Path::new(&directory).join(program));
    assets.filter(|path| path.is_file()).or_else(|| on_path(program))
}

/// The directory in the cache with a module's programs; builds them if need be.
fn built(module: &str, programs: &[&str]) -> Result<PathBuf> {
    let source = source();
    let directory = cache()?.join(format!("{module}-{}", key(&source, module)?));
    let complete = || programs.iter().all(|program| directory.join(program).exists());
    if complete() {
        return Ok(directory);
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let lock = File::create(directory.join(".lock"))?;
    lock.lock().context("cannot lock the cache")?;
    if complete() {
        return Ok(directory);
    }
    if on_path("go").is_none() {
        bail!(
            "{} are neither in KUBEBUILDER_ASSETS nor on PATH nor in {}, and cannot be built, because Go is missing: install Go 1.26.7 or newer",
            programs.join(", "),
            directory.display()
        );
    }
    eprintln!("building {} from pinned Go modules; once, some minutes", programs.join(", "));
    let partial = directory.join("partial");
    let status = Command::new("bash").arg(source.join("build.sh")).arg(module).arg(&partial).status()?;
    if !status.success() {
        bail!("building {module} failed; what it said stands above");
    }
    for entry in fs::read_dir(&partial)? {
        let entry = entry?;
        fs::rename(entry.path(), directory.join(entry.file_name()))?;
    }
    fs::remove_dir(&partial)?;
    Ok(directory)
}

/// Everything that decides what is built.
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

/// What concerns a module in `build.sh`: all but its comments and the other modules' arms of the `case`.
fn recipe(script: &str, module: &str) -> String {
    let mut arm = None;
    let mut recipe = String::new();
    for line in script.lines() {
        let name = line.strip_suffix(')').filter(|name| MODULES.iter().any(|(module, _)| module == name));
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
/// It is not there yet.
pub fn own(program: &str) -> Result<PathBuf> {
    let this = env::current_exe()?;
    let candidates = this.ancestors().skip(1).take(2).map(|directory| directory.join(program));
    candidates.into_iter().find(|path| path.is_file()).with_context(|| {
        format!("`{program}` is not built: run `cargo build --workspace --features akacert/failpoints` first")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_has_a_key_of_its_own_that_does_not_change_by_itself() {
        let keys: Vec<_> = MODULES.iter().map(|(module, _)| key(&source(), module).unwrap()).collect();
        assert_eq!(
            keys,
            MODULES.iter().map(|(module, _)| key(&source(), module).unwrap()).collect::<Vec<_>>()
        );
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    }

    #[test]
    fn what_another_module_is_built_with_does_not_concern_a_module() {
        let script = "# Builds\nset -e\ncase $1 in\ningress)\n\tgo build a\n\t;;\ntools)\n\t# Both.\n\tgo build b c\n\t;;\n*)\n\texit 2\n\t;;\nesac\n";
        assert_eq!(
            recipe(script, "tools"),
            "set -e\ncase $1 in\ntools)\n\tgo build b c\n\t;;\n*)\n\texit 2\n\t;;\nesac\n"
        );
    }
}
