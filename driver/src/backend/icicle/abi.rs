//! ICICLE v4's C interface, bound when the program runs.
//!
//! Layouts and signatures are those of the headers of v4.0.0 (`icicle/runtime.h`, `msm.h`, `ntt.h`). The library cannot be asked for
//! its version, so [`super::Icicle`] computes a known result with it before it is used.

use std::ffi::{CString, OsStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The folder of an ICICLE installation, before the usual ones are looked into.
pub(super) const FOLDER: &str = "TAPEOUT_ICICLE";

/// Where installations are looked for.
const USUAL: [&str; 2] = ["/opt/icicle", "/usr/local"];

/// In the order of their dependencies.
const LIBRARIES: [&str; 3] = [
    "libicicle_device.so",
    "libicicle_field_bn254.so",
    "libicicle_curve_bn254.so",
];

/// A field element in the library's form: canonical (not Montgomery's), least significant limb first.
pub(super) type Limbs = [u64; 4];

/// An affine point; `(0, 0)` is the point at infinity.
pub(super) type Affine = [Limbs; 2];

/// The point `(x / z, y / z)`; `z = 0` is the point at infinity.
pub(super) type Projective = [Limbs; 3];

#[repr(C)]
pub(super) struct Device {
    kind: [c_char; 64],
    id: c_int,
}

impl Device {
    /// The first device of that kind.
    pub(super) fn new(name: &str) -> Self {
        let mut kind = [0; 64];
        kind.iter_mut()
            .zip(name.bytes())
            .take(63)
            .for_each(|(to, from)| *to = from as c_char);
        Self { kind, id: 0 }
    }
}

#[repr(C)]
pub(super) struct MsmConfig {
    pub(super) stream: *mut c_void,
    pub(super) precompute_factor: c_int,
    pub(super) c: c_int,
    pub(super) bitsize: c_int,
    pub(super) batch_size: c_int,
    pub(super) are_points_shared_in_batch: bool,
    pub(super) are_scalars_on_device: bool,
    pub(super) are_scalars_montgomery_form: bool,
    pub(super) are_points_on_device: bool,
    pub(super) are_points_montgomery_form: bool,
    pub(super) are_results_on_device: bool,
    pub(super) is_async: bool,
    pub(super) ext: *mut c_void,
}

#[repr(C)]
pub(super) struct NttConfig {
    pub(super) stream: *mut c_void,
    pub(super) coset_gen: Limbs,
    pub(super) batch_size: c_int,
    pub(super) columns_batch: bool,
    pub(super) ordering: c_int,
    pub(super) are_inputs_on_device: bool,
    pub(super) are_outputs_on_device: bool,
    pub(super) is_async: bool,
    pub(super) ext: *mut c_void,
}

#[repr(C)]
pub(super) struct DomainConfig {
    pub(super) stream: *mut c_void,
    pub(super) is_async: bool,
    pub(super) ext: *mut c_void,
}

const _: () = assert!(size_of::<Device>() == 68 && size_of::<MsmConfig>() == 40);
const _: () = assert!(size_of::<NttConfig>() == 64 && size_of::<DomainConfig>() == 24);

/// What every call returns.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Status(c_int);

impl Status {
    /// # Errors
    /// The call and the library's name of what went wrong.
    pub(super) fn ok(self, call: &'static str) -> std::result::Result<(), String> {
        const NAMES: [&str; 15] = [
            "success",
            "invalid device",
            "out of memory",
            "invalid pointer",
            "allocation failed",
            "deallocation failed",
            "copy failed",
            "synchronisation failed",
            "stream creation failed",
            "stream destruction failed",
            "not implemented",
            "invalid argument",
            "backend load failed",
            "licence check failed",
            "unknown error",
        ];
        match usize::try_from(self.0) {
            Ok(0) => Ok(()),
            Ok(code) if code < NAMES.len() => Err(format!("{call}: {}", NAMES[code])),
            _ => Err(format!("{call}: error {}", self.0)),
        }
    }
}

macro_rules! interface {
    ($($field:ident: $symbol:literal ($($argument:ty),*);)*) => {
        /// The library's functions. It stays loaded: it has threads and statics of its own.
        pub(super) struct Api {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) -> Status,)*
            folder: PathBuf,
            _libraries: Vec<Library>,
        }

        impl Api {
            fn bind(folder: PathBuf, libraries: Vec<Library>) -> std::result::Result<Self, String> {
                $(let $field = {
                    let find = |library: &Library| {
                        // SAFETY: the type is that of the v4 header for this symbol.
                        unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> Status>($symbol.as_bytes()) }
                            .ok()
                            .map(|symbol| *symbol)
                    };
                    let missing = || format!("the ICICLE in {} has no {}: it is not v4", folder.display(), $symbol);
                    libraries.iter().find_map(find).ok_or_else(missing)?
                };)*
                Ok(Self { $($field,)* folder, _libraries: libraries })
            }
        }
    };
}

interface! {
    load_backend: "icicle_load_backend" (*const c_char, bool);
    set_device: "icicle_set_device" (*const Device);
    is_device_available: "icicle_is_device_available" (*const Device);
    available_memory: "icicle_get_available_memory" (*mut usize, *mut usize);
    malloc: "icicle_malloc" (*mut *mut c_void, usize);
    free: "icicle_free" (*mut c_void);
    copy_to_device: "icicle_copy_to_device" (*mut c_void, *const c_void, usize);
    copy_to_host: "icicle_copy_to_host" (*mut c_void, *const c_void, usize);
    msm: "bn254_msm" (*const c_void, *const c_void, c_int, *const MsmConfig, *mut Projective);
    ntt: "bn254_ntt" (*const c_void, c_int, c_int, *const NttConfig, *mut c_void);
    init_domain: "bn254_ntt_init_domain" (*const Limbs, *const DomainConfig);
    release_domain: "bn254_ntt_release_domain" ();
}

/// The library, loaded at the first call.
///
/// # Errors
/// Where it was looked for, or why it could not be loaded.
pub(super) fn load() -> std::result::Result<&'static Api, String> {
    static API: OnceLock<std::result::Result<Api, String>> = OnceLock::new();
    API.get_or_init(|| find(std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()).as_deref()))
        .as_ref()
        .map_err(Clone::clone)
}

fn find(named: Option<&OsStr>) -> std::result::Result<Api, String> {
    let folders: Vec<&Path> = match named {
        Some(folder) => vec![Path::new(folder)],
        None => USUAL.iter().map(Path::new).collect(),
    };
    let inside = folders
        .iter()
        .flat_map(|folder| [folder.join("lib"), folder.to_path_buf()]);
    let Some(folder) = inside.into_iter().find(|folder| folder.join(LIBRARIES[0]).is_file()) else {
        let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return Err(format!(
            "ICICLE is not installed: there is no {} in {}",
            LIBRARIES[0],
            places.join(" or ")
        ));
    };
    let open = |name: &&str| {
        let path = folder.join(name);
        // SAFETY: the initialisers of ICICLE's front end only fill its tables of devices and of functions.
        unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) }
            .map_err(|e| format!("{} cannot be loaded: {e}", path.display()))
    };
    let libraries = LIBRARIES.iter().map(open).collect::<std::result::Result<_, _>>()?;
    Api::bind(folder, libraries)
}

impl Api {
    /// Loads the devices that are not part of the front end, once.
    ///
    /// # Errors
    /// That there is no GPU driver: without one, the CUDA device's initialisers would end the process.
    pub(super) fn load_devices(&self) -> std::result::Result<(), String> {
        static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
        let load = || {
            // SAFETY: NVIDIA's driver library has no initialiser with side effects.
            unsafe { Library::open(Some("libcuda.so.1"), RTLD_NOW) }
                .map_err(|_| "this machine has no NVIDIA driver (libcuda.so.1)".to_owned())?;
            let named = std::env::var_os("ICICLE_BACKEND_INSTALL_DIR").map(PathBuf::from);
            let folder = named.unwrap_or_else(|| self.folder.join("backend"));
            let text = CString::new(folder.as_os_str().as_encoded_bytes()).map_err(|e| e.to_string())?;
            // SAFETY: a string that ends in zero and outlives the call.
            unsafe { (self.load_backend)(text.as_ptr(), true) }.ok("icicle_load_backend")
        };
        LOADED.get_or_init(load).clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_library_is_named() {
        let message = find(Some(OsStr::new("/nowhere"))).err().unwrap();
        assert_eq!(
            message,
            "ICICLE is not installed: there is no libicicle_device.so in /nowhere"
        );
    }

    #[test]
    fn a_library_that_is_none_is_refused() {
        let folder = std::env::temp_dir().join(format!("tapeout-icicle-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(LIBRARIES[0]), b"not a library").unwrap();
        let message = find(Some(folder.as_os_str())).err().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(message.contains("libicicle_device.so cannot be loaded"), "{message}");
    }

    #[test]
    fn errors_have_names() {
        assert!(Status(0).ok("f").is_ok());
        assert_eq!(Status(11).ok("f").unwrap_err(), "f: invalid argument");
        assert_eq!(Status(99).ok("f").unwrap_err(), "f: error 99");
        assert_eq!(Status(-1).ok("f").unwrap_err(), "f: error -1");
    }
}
