#ifndef GW_BASE_ASAN_H
#define GW_BASE_ASAN_H

/* 1: built with AddressSanitizer, with gcc or clang. What keeps freed memory for itself gives it
 * back then, so that a use after free is reported. */
#ifdef __has_feature
#define GW_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define GW_CLANG_ASAN 0
#endif
#if GW_CLANG_ASAN || defined(__SANITIZE_ADDRESS__)
enum { GW_HAS_ASAN = 1 };
#else
enum { GW_HAS_ASAN = 0 };
#endif

#endif
