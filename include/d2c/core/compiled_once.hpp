#pragma once

/// How bodies that do not depend on a program's types may be compiled once, in a library.

namespace d2c {

/// The default template argument of a function whose body may be compiled elsewhere.
struct Once;

} // namespace d2c

/// After the definition of a function template with the one parameter `class = Once`: nothing where
/// d2c is used header-only. With D2C_USES_COMPILED the function is taken from the library, with
/// D2C_COMPILES_LIBRARY (compiled.cpp) it is put into it.
#if defined(D2C_COMPILES_LIBRARY)
#define D2C_COMPILED_ONCE(...) template __VA_ARGS__;
#elif defined(D2C_USES_COMPILED)
#define D2C_COMPILED_ONCE(...) extern template __VA_ARGS__;
#else
#define D2C_COMPILED_ONCE(...)
#endif
