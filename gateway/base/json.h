#ifndef GW_BASE_JSON_H
#define GW_BASE_JSON_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_err;

/* A pull reader of strict RFC 8259 text: UTF-8 checked, depth bounded, nothing allocated but
 * unescaped strings. Lone surrogate escapes are accepted and become U+FFFD. Numbers stay text.
 *
 *     gw_json_init(&j, text, 100);
 *     while (gw_json_next(&j) > GW_JSON_END) ...
 *
 * After GW_JSON_ERROR, gw_json_error says where and why; after GW_JSON_END nothing but white space
 * was left. */
enum gw_json_token {
    GW_JSON_ERROR = -1,
    GW_JSON_END = 0,
    GW_JSON_OBJECT,
    GW_JSON_OBJECT_END,
    GW_JSON_ARRAY,
    GW_JSON_ARRAY_END,
    GW_JSON_KEY, /* a member's name; its value is the next token */
    GW_JSON_STRING,
    GW_JSON_NUMBER,
    GW_JSON_TRUE,
    GW_JSON_FALSE,
    GW_JSON_NULL
};

enum { GW_JSON_MAX_DEPTH = 512 };

struct gw_json {
    enum gw_json_token token; /* the current one */
    struct gw_str raw;        /* its text; strings and keys without quotes, still escaped */
    int escaped;              /* the string has escapes */
    unsigned depth;           /* open objects and arrays, the current one included */
    /* the reader's own */
    const char *start, *at, *end, *why;
    unsigned max_depth;
    int state;
    uint64_t is_object[GW_JSON_MAX_DEPTH / 64]; /* a bit for each open level */
};

void gw_json_init(struct gw_json *j, struct gw_str text, unsigned max_depth);
enum gw_json_token gw_json_next(struct gw_json *j);
/* The value that starts at the current token (or follows the current KEY), whole: checked,
 * skipped, and given as the exact text that stands there. -1: an error, as GW_JSON_ERROR. */
int gw_json_value(struct gw_json *j, struct gw_str *raw);
/* The current STRING or KEY unescaped; borrowed from the text when it has no escapes. */
struct gw_str gw_json_string(const struct gw_json *j, struct gw_arena *mem);
/* The same of raw text between the quotes, wherever it is from; it must be valid. */
struct gw_str gw_json_unescape(struct gw_str raw, struct gw_arena *mem);
/* raw, unescaped, equals s. Nothing is allocated. */
int gw_json_raw_is(struct gw_str raw, struct gw_str s);
/* Where in the current STRING or KEY an escape of half a surrogate pair stands: what that means is
 * not UTF-8. NULL: nowhere. */
const char *gw_json_lone_surrogate(const struct gw_json *j);
/* The current KEY or STRING equals s (escapes are looked through). */
static inline int gw_json_is(const struct gw_json *j, const char *s)
{
    return j->escaped ? gw_json_raw_is(j->raw, gw_str_of(s)) : gw_str_is(j->raw, s);
}
/* One value with nothing but white space around it. */
int gw_json_is_text(struct gw_str text, unsigned max_depth);
/* Of a byte of the text, from 1; columns are bytes. */
void gw_json_place(const struct gw_json *j, const char *at, int *line, int *column);
/* GW_ERR_REJECT "JSON: line 3, column 7: …". Returns -1. */
int gw_json_error(const struct gw_json *j, struct gw_err *err);

/* Writers. */
/* Quoted; escapes " \ and controls only; other UTF-8 raw; a bad byte becomes U+FFFD. */
void gw_json_put_string(struct gw_buf *b, struct gw_str s);
/* The same as Go's encoding/json writes it: < > & U+2028 U+2029 and a bad byte are \u escapes. */
void gw_json_put_string_go(struct gw_buf *b, struct gw_str s);
/* Shortest text that reads back as the same double; "NaN", "Infinity", "-Infinity" quoted. */
void gw_json_put_double(struct gw_buf *b, double d);
void gw_json_put_float(struct gw_buf *b, float f);
/* ,"name": (without the comma when first). */
void gw_json_put_key(struct gw_buf *b, int first, struct gw_str name);

#endif
