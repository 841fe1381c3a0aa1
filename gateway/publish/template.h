#ifndef GW_PUBLISH_TEMPLATE_H
#define GW_PUBLISH_TEMPLATE_H

#include "base/str.h"

#include <stddef.h>

struct gw_arena;
struct gw_err;
struct gw_flyte;

/* The name of a destination with `{field}` of flyte in it: Kafka's topics, NATS' subjects. */
struct gw_template_form {
    const char *what, *chars; /* "topic"; "letters, digits, . _ -": what it may have */
    size_t max;               /* at most 1024 */
    int (*is_char)(char c);
    int (*whole)(struct gw_str name, struct gw_err *err); /* NULL: all has been said */
};

enum { GW_TEMPLATE_PIECES = 32, GW_TEMPLATE_MAX = 1024 };
struct gw_template {
    const struct gw_template_form *form;
    struct {
        struct gw_str literal;
        int field; /* behind the literal; -1: none */
    } pieces[GW_TEMPLATE_PIECES];
    size_t n;
    int fixed; /* no field in it */
};

/* GW_ERR_REJECT says what is wrong with the text. It is borrowed. */
int gw_template_parse(const struct gw_template_form *form, const char *text,
                      struct gw_template *out, struct gw_err *err);
/* The name for one event, on mem, with a NUL behind it. GW_ERR_REJECT: it has no legal one. */
int gw_template_make(const struct gw_template *t, const struct gw_flyte *flyte,
                     struct gw_arena *mem, struct gw_str *out, struct gw_err *err);

#endif
