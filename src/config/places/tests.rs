//! An installation in a temporary folder: what of it is found, and what is passed over.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

/// The places of a program that lies at `binary` below `root`.
fn places(root: &Path, binary: &str) -> Places {
    Places::of_binary(&put(&root.join(binary)))
}

fn put(path: &Path) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, b"x").unwrap();
    path.to_path_buf()
}

fn root() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

fn find(places: &Places) -> Result<PathBuf> {
    places.library(Library::Pdfium, None, &Environment::default())
}

#[test]
fn nearer_places_win_and_the_clone_is_known_by_its_target_folder() {
    let name = Library::Pdfium.file_name();
    for binary in ["target/release/quire", "target/debug/quire", "target/some-triple/release/quire"] {
        let (_guard, root) = root();
        let places = places(&root, binary);
        let report = find(&places).unwrap_err().to_string();
        assert!(report.contains("make setup") && report.contains(&*root.join("native").to_string_lossy()), "{report}");
        let beside = root.join(binary).parent().unwrap().to_path_buf();
        for folder in [root.join("native"), beside.join("native"), beside] {
            let path = put(&folder.join(name));
            assert_eq!(find(&places).unwrap(), path);
        }
        let named = put(&root.join("elsewhere.so"));
        let environment: Environment = [(env::PDFIUM, named.as_os_str())].into_iter().collect();
        assert_eq!(places.library(Library::Pdfium, None, &environment).unwrap(), named);
    }
}

#[test]
fn folders_above_the_binary_and_the_builders_clone_are_not_looked_at() {
    let (_guard, root) = root();
    let name = Library::Pdfium.file_name();
    let places = places(&root, "opt/quire/bin/quire");
    for folder in ["native", "opt/native", "opt/quire/native", "opt"] {
        put(&root.join(folder).join(name));
    }
    let report = find(&places).unwrap_err().to_string();
    assert!(report.contains(&format!("quire/bin/native/{name}")), "{report}");
    let clone = env!("CARGO_MANIFEST_DIR");
    assert!(Path::new(clone).join("models/quire-glyph").join(MANIFEST).is_file());
    assert!(!report.contains(clone), "{report}");
    let report = places.model("quire-glyph", &Environment::default()).unwrap_err().to_string();
    assert!(!report.contains(clone) && report.contains("none was found"), "{report}");
}

#[test]
fn what_others_may_change_is_passed_over() {
    let (_guard, root) = root();
    let mut places = places(&root, "bin/quire");
    let library = put(&root.join("bin/native").join(Library::Pdfium.file_name()));
    put(&root.join("bin/models/glyph").join(MANIFEST));
    let model = root.join("bin/models/glyph");
    let none = Environment::default();
    for (path, mode) in [(library.as_path(), 0o646), (&root.join("bin/native"), 0o777)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let report = find(&places).unwrap_err().to_string();
        assert!(report.contains("others than the owner"), "{report}");
        fs::set_permissions(path, Permissions::from_mode(mode & 0o755)).unwrap();
        assert_eq!(find(&places).unwrap(), library);
    }
    for path in [model.as_path(), &root.join("bin/models")] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        assert!(places.model("glyph", &none).unwrap_err().to_string().contains("others than the owner"));
        assert!(places.models(&none).is_empty());
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(places.model("glyph", &none).unwrap(), model);
    }

    let owner = library.metadata().unwrap().uid();
    if owner == 0 {
        std::os::unix::fs::chown(&library, Some(65_534), None).unwrap();
    } else {
        places.owner = Some(owner + 1);
    }
    assert!(find(&places).unwrap_err().to_string().contains("others than the owner"));
    places.owner = Some(library.metadata().unwrap().uid());
    assert_eq!(find(&places).unwrap(), library);
}

#[test]
fn a_named_file_that_is_missing_is_not_passed_over() {
    let (_guard, root) = root();
    let places = places(&root, "bin/quire");
    put(&root.join("bin").join(Library::OnnxRuntime.file_name()));
    let environment: Environment = [(env::ONNXRUNTIME, "/nowhere/lib.so")].into_iter().collect();
    let report = places.library(Library::OnnxRuntime, None, &environment).unwrap_err().to_string();
    assert!(report.contains("QUIRE_ONNXRUNTIME is /nowhere/lib.so"), "{report}");
    let setting = Path::new("/nowhere/too.so");
    let report = places.library(Library::OnnxRuntime, Some(setting), &environment).unwrap_err().to_string();
    assert!(report.contains("native.onnxruntime is /nowhere/too.so"), "{report}");
}

#[test]
fn models_are_named_by_folder_or_by_path() {
    let (_guard, root) = root();
    let places = places(&root, "clone/target/release/quire");
    let none = Environment::default();
    put(&root.join("clone/models/glyph").join(MANIFEST));
    put(&root.join("mine/other").join(MANIFEST));
    put(&root.join("mine/glyph").join(MANIFEST));
    assert_eq!(places.model("glyph", &none).unwrap(), root.join("clone/models/glyph"));
    let path = root.join("mine/other");
    assert_eq!(places.model(path.to_str().unwrap(), &none).unwrap(), path);
    let report = places.model("other", &none).unwrap_err().to_string();
    assert!(report.contains("there are: glyph)"), "{report}");

    let mine: Environment = [(env::MODELS, root.join("mine").as_os_str())].into_iter().collect();
    assert_eq!(places.model("glyph", &mine).unwrap(), root.join("mine/glyph"));
    let names: Vec<String> = places.models(&mine).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["glyph", "other"]);
    put(&root.join("clone").join(MANIFEST));
    for name in ["..", ".", ""] {
        assert!(places.model(name, &none).unwrap_err().to_string().contains("not the name of a model"));
    }
}

/// Puts what pip does for one Python: Quire's own entry, and `files` among its packages.
fn install(root: &Path, python: &str, files: &[&str]) -> Vec<PathBuf> {
    let packages = root.join(python);
    put(&packages.join("quire_documents-0.1.0.dist-info/METADATA"));
    files.iter().map(|file| put(&packages.join(file))).collect()
}

#[test]
fn a_wheel_brings_models_and_its_packages_bring_the_libraries() {
    let onnxruntime = match cfg!(target_os = "macos") {
        true => "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
        false => "onnxruntime/capi/libonnxruntime.so.1.31.1",
    };
    let pdfium = format!("pypdfium2_raw/{}", Library::Pdfium.file_name());
    let none = Environment::default();
    for python in
        ["lib/python3.12/site-packages", "local/lib/python3.9/dist-packages", "lib64/python3.13/site-packages"]
    {
        let (_guard, root) = root();
        let root = if python.starts_with("local") { root.join("local") } else { root };
        let python = python.trim_start_matches("local/");
        put(&root.join(python).join("onnxruntime/capi/libonnxruntime_providers_shared.so"));
        let libraries = install(&root, python, &[onnxruntime, &pdfium]);
        let model = root.join("share/quire/models/glyph");
        put(&model.join(MANIFEST));
        let places = places(&root, "bin/quire");
        assert_eq!(places.library(Library::OnnxRuntime, None, &none).unwrap(), libraries[0]);
        assert_eq!(find(&places).unwrap(), libraries[1]);
        assert_eq!(places.model("glyph", &none).unwrap(), model);

        let beside = put(&root.join("bin/native").join(Library::Pdfium.file_name()));
        assert_eq!(find(&places).unwrap(), beside, "what lies beside the program is nearer");
    }
}

#[test]
fn the_newest_python_that_quire_is_in_counts_and_no_other() {
    let (_guard, root) = root();
    let pdfium = format!("pypdfium2_raw/{}", Library::Pdfium.file_name());
    // of a newer Python, whose packages did not come with Quire, and of one whose other package has a similar name
    put(&root.join("lib/python3.14/site-packages").join(&pdfium));
    put(&root.join("lib/python3.14/site-packages/quire_documents_too-0.1.0.dist-info/METADATA"));
    assert!(find(&places(&root, "bin/quire")).unwrap_err().to_string().contains("make setup"));
    put(&root.join("share/quire/models/glyph").join(MANIFEST));
    assert!(places(&root, "bin/quire").models(&Environment::default()).is_empty());

    let older = install(&root, "lib/python3.9/site-packages", &[&pdfium]);
    assert_eq!(find(&places(&root, "bin/quire")).unwrap(), older[0]);
    let newer = install(&root, "lib/python3.10/site-packages", &[&pdfium]);
    assert_eq!(find(&places(&root, "bin/quire")).unwrap(), newer[0]);
    assert!(find(&places(&root, "elsewhere/quire")).is_err(), "a wheel's program lies in bin/");

    fs::set_permissions(&newer[0], Permissions::from_mode(0o666)).unwrap();
    assert_eq!(find(&places(&root, "bin/quire")).unwrap(), older[0], "others may change the nearer one");
    fs::remove_file(&older[0]).unwrap();
    let report = find(&places(&root, "bin/quire")).unwrap_err().to_string();
    assert!(report.contains("install the Python package pypdfium2") && report.contains("others than"), "{report}");
}

#[test]
fn the_wheel_is_named_and_depends_as_the_program_expects() {
    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (project, native) = (read("pyproject.toml"), read("scripts/native.py"));
    assert!(project.contains(&format!("name = \"{}\"\n", wheel::DISTRIBUTION.replace('_', "-"))));
    for (package, constant) in [("onnxruntime", "ONNXRUNTIME"), ("pypdfium2", "PYPDFIUM2")] {
        let line = native.lines().find_map(|line| line.strip_prefix(&format!("{constant} = \"")));
        let version = line.and_then(|rest| rest.split('"').next()).unwrap();
        assert!(project.contains(&format!("\"{package}=={version}\"")), "{package} {version}");
    }
}
