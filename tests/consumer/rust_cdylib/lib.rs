//! pyfutex from Rust, without a crate: the table of pyfutex.h, and a lock over one of its words.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::null;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::thread;

const ABI: u32 = 1;
const ANY: u32 = u32::MAX;

#[repr(C)]
struct Place {
    target: *const c_void,
    addr: u64,
    size: u32,
    sharing: u32,
}

#[repr(C)]
struct Deadline {
    ns: i64,
    clock: i32,
    reserved: i32,
}

type Unused = *const c_void;

/// The first functions of the table; those that are not called are pointers.
#[repr(C)]
struct Api {
    abi: u32,
    n_slots: u32,
    manager_new: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    manager_free: unsafe extern "C" fn(*mut c_void) -> c_int,
    managers: [Unused; 3],
    host_target: unsafe extern "C" fn() -> *const c_void,
    targets: [Unused; 5],
    wake: unsafe extern "C" fn(*mut c_void, *const Place, u32, u32) -> c_int,
    other_wakes: [Unused; 4],
    wait: unsafe extern "C" fn(*mut c_void, *const Place, u64, u32, *const Deadline) -> c_int,
}

const SLOTS: usize = (std::mem::size_of::<Api>() - 8) / std::mem::size_of::<Unused>();

unsafe extern "C" {
    /// Of the interpreter that has loaded us.
    fn PyCapsule_Import(name: *const c_char, no_block: c_int) -> *mut c_void;
}

static API: AtomicPtr<Api> = AtomicPtr::new(std::ptr::null_mut());

fn api() -> &'static Api {
    unsafe { &*API.load(SeqCst) }
}

/// Attached. 0; 1: there is no pyfutex, and an exception says why; 2: it is another one.
#[unsafe(no_mangle)]
pub extern "C" fn consumer_import() -> c_int {
    let table = unsafe { PyCapsule_Import(c"pyfutex._c_api".as_ptr(), 0) } as *mut Api;
    if table.is_null() {
        return 1;
    }
    if unsafe { (*table).abi != ABI || ((*table).n_slots as usize) < SLOTS } {
        return 2;
    }
    API.store(table, SeqCst);
    0
}

/// 0 free, 1 held, 2 held and perhaps waited for.
struct Lock<T> {
    manager: *mut c_void,
    word: AtomicU32,
    guarded: UnsafeCell<T>,
}

unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    fn place(&self) -> Place {
        Place {
            target: unsafe { (api().host_target)() },
            addr: self.word.as_ptr() as u64,
            size: 4,
            sharing: 0,
        }
    }

    fn with(&self, work: impl FnOnce(&mut T)) {
        if self.word.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
            while self.word.swap(2, SeqCst) != 0 {
                unsafe { (api().wait)(self.manager, &self.place(), 2, ANY, null()) };
            }
        }
        work(unsafe { &mut *self.guarded.get() });
        if self.word.swap(0, SeqCst) == 2 {
            unsafe { (api().wake)(self.manager, &self.place(), 1, ANY) };
        }
    }
}

/// What threads of Rust counted under a lock; negative: the errno of what was refused.
#[unsafe(no_mangle)]
pub extern "C" fn consumer_count(n_threads: u32, rounds: u32) -> i64 {
    let manager = unsafe { (api().manager_new)(std::ptr::null_mut()) };
    let lock = Lock { manager, word: AtomicU32::new(0), guarded: UnsafeCell::new(0i64) };
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                for _ in 0..rounds {
                    lock.with(|count| *count += 1);
                }
            });
        }
    });
    match unsafe { (api().manager_free)(manager) } {
        0 => lock.guarded.into_inner(),
        refused => refused.into(),
    }
}

/// What a wait answers whose deadline, on the monotonic clock, has passed.
#[unsafe(no_mangle)]
pub extern "C" fn consumer_too_late() -> c_int {
    let manager = unsafe { (api().manager_new)(std::ptr::null_mut()) };
    let lock = Lock { manager, word: AtomicU32::new(0), guarded: UnsafeCell::new(()) };
    let deadline = Deadline { ns: 1, clock: 1, reserved: 0 };
    let answer = unsafe { (api().wait)(manager, &lock.place(), 0, ANY, &deadline) };
    unsafe { (api().manager_free)(manager) };
    answer
}
