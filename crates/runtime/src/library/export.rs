//! What `dyn` writes after the user's last line, and what it means.

// Lints are allowed in what is written here, not expected: whether they are met depends on the app.

/// Makes a library of services.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($({ $($service:tt)* })+) => {
        const _: () = {
            static __DYNINKA_SERVED: &[&$crate::library::Served] = &[$({
                static SERVED: $crate::library::Served = $crate::library::Served::new($crate::__service!($($service)*));
                &SERVED
            }),+];

            #[unsafe(no_mangle)]
            unsafe extern "C" fn dyninka_service(service: $crate::border::Slice) -> *const $crate::border::Library {
                // SAFETY: the host lends the name for this call.
                unsafe { $crate::library::find(__DYNINKA_SERVED, service) }
            }
        };
    };
    ($($service:tt)*) => {
        $crate::__export! { { $($service)* } }
    };
}

/// A service as its library knows it.
#[doc(hidden)]
#[macro_export]
macro_rules! __service {
    (
        service: $name:literal, version: $version:literal, function: $function:path, call: $call:ident,
        inputs: [$($input:ident : $type:ty),* $(,)?],
        states: [$($state:ident : $fingerprint:literal $(apart $why:literal)?),* $(,)?] $(,)?
    ) => {
        // What is written in here comes before the user's names in his types, functions and statics: it has no names that
        // he could have, and names what is needed by its whole path.
        {
            fn __dyninka_call(
                mut inputs: $crate::library::Inputs<'_>,
            ) -> ::core::result::Result<$crate::library::RunningCall, $crate::library::CallAnswer> {
                // An input may have the function's name.
                let function = $function;
                $(let $input: $type = inputs.take()?;)*
                let _ = &mut inputs;
                ::core::result::Result::Ok($crate::__call!($call function, ($($input),*)))
            }

            static __DYNINKA_SERVICE: $crate::library::LibraryService = $crate::library::LibraryService {
                name: $name,
                version: $version,
                inputs: &[$($crate::library::plain(::core::stringify!($input))),*],
                is_async: $crate::__is_async!($call),
                call: __dyninka_call,
                states: &[$({
                    fn __dyninka_read(most: usize) -> $crate::library::CallAnswer {
                        #[allow(unused_imports)]
                        use $crate::library::{Json as _, Opaque as _};
                        (&$crate::library::Probe(&$state)).read_within(most)
                    }
                    fn __dyninka_write(json: &[u8]) -> $crate::library::CallAnswer {
                        #[allow(unused_imports)]
                        use $crate::library::{Json as _, Opaque as _};
                        (&$crate::library::Probe(&$state)).write(json)
                    }
                    fn __dyninka_share() -> *const ::core::ffi::c_void {
                        $crate::library::Probe(&$state).share()
                    }
                    unsafe fn __dyninka_adopt(cell: *const ::core::ffi::c_void) {
                        // SAFETY: the caller's promise.
                        unsafe { $crate::library::Probe(&$state).adopt(cell) }
                    }
                    fn __dyninka_held() -> bool {
                        $crate::library::Probe(&$state).is_held()
                    }
                    fn __dyninka_release() -> bool {
                        $crate::library::Probe(&$state).release()
                    }
                    fn __dyninka_layout() -> (usize, usize, &'static str) {
                        $crate::library::Probe(&$state).layout()
                    }
                    $crate::library::State {
                        name: ::core::stringify!($state),
                        fingerprint: $fingerprint,
                        apart: $crate::__apart!($($why)?),
                        layout: __dyninka_layout,
                        read: __dyninka_read,
                        write: __dyninka_write,
                        share: __dyninka_share,
                        adopt: __dyninka_adopt,
                        held: __dyninka_held,
                        release: __dyninka_release,
                    }
                }),*],
            };

            &__DYNINKA_SERVICE
        }
    };
}

/// What [`__export!`] has compiled for a service, as functions that a crate may have beside others of their kind: what they
/// make of generic code is there for the service's next version.
#[doc(hidden)]
#[macro_export]
macro_rules! __before {
    (
        function: $function:path, call: $call:ident, inputs: [$($input:ident : $type:ty),* $(,)?],
        states: [$($state:ident),* $(,)?] $(,)?
    ) => {
        pub fn __dyninka_before(
            mut inputs: $crate::library::Inputs<'_>,
        ) -> ::core::result::Result<$crate::library::RunningCall, $crate::library::CallAnswer> {
            let function = $function;
            $(let $input: $type = inputs.take()?;)*
            let _ = &mut inputs;
            ::core::result::Result::Ok($crate::__call!($call function, ($($input),*)))
        }

        /// Never called.
        pub fn __dyninka_states() {
            $({
                #[allow(unused_imports)]
                use $crate::library::{Json as _, Opaque as _};
                let probe = $crate::library::Probe(&$state);
                let _ = (&probe).read_within(0);
                let _ = (&probe).write(&[]);
                let _ = (probe.share(), probe.is_held(), probe.release(), probe.layout());
                // SAFETY: as the function says.
                unsafe { probe.adopt(::core::ptr::null()) };
            })*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __apart {
    () => {
        ::core::option::Option::None
    };
    ($why:literal) => {
        ::core::option::Option::Some($why)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __is_async {
    (sync) => {
        false
    };
    (async) => {
        true
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    (sync $function:ident, ($($input:ident),*)) => {{
        let (output, nanos) = $crate::library::timed(|| $function($($input),*));
        $crate::library::RunningCall::Done($crate::__answer!(output).took(nanos))
    }};
    (async $function:ident, ($($input:ident),*)) => {
        $crate::library::RunningCall::Future(::std::boxed::Box::pin(async move {
            let (output, nanos) = $crate::library::timed_async($function($($input),*)).await;
            $crate::__answer!(output).took(nanos)
        }))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __answer {
    ($output:ident) => {{
        #[allow(unused_imports)]
        use $crate::library::{IsFailing as _, IsFailingOrFiltering as _, IsFiltering as _, IsPlain as _};
        #[allow(clippy::needless_borrow)]
        (&&&$crate::library::Returned::of(&$output)).kind().answer($output)
    }};
}

/// A service that others' bodies call: the function they name, answered by the host.
#[doc(hidden)]
#[macro_export]
macro_rules! __remote {
    (fn $name:ident ($($input:ident : $type:ty),* $(,)?) -> $output:ty) => {
        pub(crate) fn $name($($input: $type),*) -> $crate::Call<$output> {
            $crate::remote::call(::core::stringify!($name), ::std::vec![$($crate::remote::encode(&$input)),*])
        }
    };
}
