//! What `dyn` writes after the user's last line, and what it means.

// Lints are allowed in what is written here, not expected: whether they are met depends on the app.

/// Makes a library of a service.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (
        service: $name:literal, version: $version:literal, function: $function:path, call: $call:ident,
        inputs: [$($input:ident : $type:ty),* $(,)?], returns: $returns:ident,
        states: [$($state:ident : $fingerprint:literal),* $(,)?] $(,)?
    ) => {
        const _: () = {
            use $crate::library::{Answer, Inputs, Running, Service, State};

            fn call(mut inputs: Inputs<'_>) -> ::core::result::Result<Running, Answer> {
                $(let $input: $type = inputs.take()?;)*
                let _ = &mut inputs;
                ::core::result::Result::Ok($crate::__call!($call $returns $function, ($($input),*)))
            }

            static SERVICE: Service = Service {
                name: $name,
                version: $version,
                inputs: &[$(::core::stringify!($input)),*],
                is_async: $crate::__is_async!($call),
                call,
                states: &[$({
                    fn read() -> Answer {
                        #[allow(unused_imports)]
                        use $crate::library::{Json, Opaque};
                        (&$crate::library::Probe(&$state)).read()
                    }
                    fn write(json: &[u8]) -> Answer {
                        #[allow(unused_imports)]
                        use $crate::library::{Json, Opaque};
                        (&$crate::library::Probe(&$state)).write(json)
                    }
                    fn share() -> *const ::core::ffi::c_void {
                        $crate::library::Probe(&$state).share()
                    }
                    unsafe fn adopt(cell: *const ::core::ffi::c_void) {
                        // SAFETY: the caller's promise.
                        unsafe { $crate::library::Probe(&$state).adopt(cell) }
                    }
                    State { name: ::core::stringify!($state), fingerprint: $fingerprint, read, write, share, adopt }
                }),*],
            };

            #[unsafe(no_mangle)]
            extern "C" fn dyninka_service() -> *const $crate::border::Library {
                $crate::library::register(&SERVICE)
            }
        };
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
    (sync $returns:ident $function:path, ($($input:ident),*)) => {{
        let (output, nanos) = $crate::library::timed(|| $function($($input),*));
        $crate::library::Running::Done($crate::__answer!($returns output).took(nanos))
    }};
    (async $returns:ident $function:path, ($($input:ident),*)) => {
        $crate::library::Running::Future(::std::boxed::Box::pin(async move {
            let (output, nanos) = $crate::library::timed_async($function($($input),*)).await;
            $crate::__answer!($returns output).took(nanos)
        }))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __answer {
    (value $output:ident) => { $crate::library::value(&$output) };
    (option $output:ident) => {
        match $output {
            ::core::option::Option::Some(output) => $crate::library::value(&output),
            ::core::option::Option::None => $crate::library::filtered(),
        }
    };
    (result $output:ident) => {
        match $output {
            ::core::result::Result::Ok(output) => $crate::library::value(&output),
            ::core::result::Result::Err(error) => $crate::library::failed(error),
        }
    };
    (result_option $output:ident) => {
        match $output {
            ::core::result::Result::Ok(output) => $crate::__answer!(option output),
            ::core::result::Result::Err(error) => $crate::library::failed(error),
        }
    };
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
