#ifndef GW_EVENT_ROUTE_H
#define GW_EVENT_ROUTE_H

#include "base/str.h"

#include <stddef.h>

struct gw_err;
struct gw_header;
struct gw_strs;

/* Where one event goes, as a hook said; what it did not say is the publisher's. Never changes: who
 * says it anew makes another. */
struct gw_route {
    struct gw_str topic; /* p NULL: the default; else with a NUL behind it */
    struct gw_str key;   /* p NULL: the publisher's */
    const struct gw_header *headers;
    size_t n_headers;
};

/* What a type of publisher makes of routes. The functions return 0, or -1 with err. */
struct gw_routing {
    const char *publisher; /* its name */
    const char *topic_is;  /* "topic", "URL"; NULL: it has one destination */
    int takes_any;         /* without `routes` any topic will do */
    int (*topic)(struct gw_str topic, struct gw_err *err);     /* a destination of the type */
    int (*pattern)(struct gw_str pattern, struct gw_err *err); /* an item of `routes` */
    int (*allows)(struct gw_str pattern, struct gw_str topic); /* NULL: as a glob */
    int (*header)(struct gw_str name, struct gw_str value, struct gw_err *err); /* NULL: any */
};

enum { GW_ROUTE_TOPIC_MAX = 2048, GW_ROUTE_HEADERS_MAX = 64, GW_ROUTE_NAME_MAX = 256 };

/* A hook may send to this topic: it is one, and one of the patterns of `routes` has it. r NULL:
 * nobody knows the publisher, any text will do. */
int gw_route_topic_check(const struct gw_routing *r, const struct gw_strs *routes,
                         struct gw_str topic, struct gw_err *err);
/* It may set this header: not one that the event, the body or who may send says. */
int gw_route_header_check(const struct gw_routing *r, struct gw_str name, struct gw_str value,
                          struct gw_err *err);

#endif
