#ifndef GW_BASE_TEXT_H
#define GW_BASE_TEXT_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_buf;

/* Length of the UTF-8 sequence at s, 0 if it is none (cut, overlong, surrogate, above 10FFFF). */
size_t gw_utf8_step(const char *s, size_t left);
/* Bytes before the first that is not UTF-8; s.len if all is well. Fast on ASCII. */
size_t gw_utf8_valid(struct gw_str s);
/* The code point of a valid sequence at s; *step gets its length. */
uint32_t gw_utf8_get(const char *s, size_t *step);
void gw_utf8_put(struct gw_buf *b, uint32_t code);

/* Of what others said, for one line of a log: at most max bytes; controls and what is not UTF-8
 * become spaces. */
void gw_text_put_line(struct gw_buf *b, struct gw_str s, size_t max);

/* 0 to 63; -1: no digit of Base64's standard or URL alphabet. */
int gw_base64_digit(char c);
/* RFC 4648: standard alphabet with padding. */
void gw_base64_put(struct gw_buf *b, struct gw_str bytes);
/* Accepts standard and URL alphabets, with or without padding (as protobuf's JSON readers do).
 * Absent p: not base64. */
struct gw_str gw_base64_decode(struct gw_arena *mem, struct gw_str text);
/* The same bytes have one text only: the standard alphabet with padding, or (url) the URL one
 * without; no bits left over. Absent p: not that text. */
struct gw_str gw_base64_strict(struct gw_arena *mem, struct gw_str text, int url);
/* 0 to 15; -1: not a hex digit. */
int gw_hex_digit(char c);
/* The byte of the %XX that begins at s.p[at]; -1: none begins there. */
int gw_percent_byte(struct gw_str s, size_t at);
void gw_hex_put(struct gw_buf *b, struct gw_str bytes); /* lower case */

/* FNV-1a: stable over releases and machines; keys of records, sharding. */
uint64_t gw_hash64(struct gw_str s);
/* Another in every process, so that nobody can choose texts that all hash alike: for tables. */
uint64_t gw_hash64_secret(struct gw_str s);
/* Castagnoli, as in iSCSI. seed 0 to start; feed the result to go on. */
uint32_t gw_crc32c(uint32_t seed, const void *p, size_t len);

/* Edits (insert, delete, replace, swap) to turn a into b, counted up to 3. */
int gw_edit_distance(struct gw_str a, struct gw_str b);
/* "Did you mean": the nearest name within two edits, or in another case, NULL if none. Give it
 * every candidate. */
struct gw_nearest {
    struct gw_str wanted, best;
    int distance;
};
void gw_nearest_offer(struct gw_nearest *n, struct gw_str candidate);
/* ` (did you mean "x"?)` or "", in out. */
const char *gw_nearest_hint(const struct gw_nearest *n, char *out, size_t size);

/* Shell-like glob of the whole text: * any run, ? one character. */
int gw_glob(struct gw_str pattern, struct gw_str text);

#endif
