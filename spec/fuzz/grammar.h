#ifndef SPEC_FUZZ_GRAMMAR_H
#define SPEC_FUZZ_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

/* A Lua program made from a grammar (grammar.c). Each choice takes a byte of the input; when there
 * are none left, a generator seeded with the input goes on, so the same input gives the same
 * program. One line, NUL-terminated; returns its length. */
enum { GRAMMAR_SIZE = 6000 };
size_t grammar_make(const uint8_t *input, size_t len, char out[GRAMMAR_SIZE]);

#endif
