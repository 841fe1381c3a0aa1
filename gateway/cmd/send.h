#ifndef GW_CMD_SEND_H
#define GW_CMD_SEND_H

#include "base/str.h"
#include "flyte/flyte.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;

/* What `send` sends: requests out of files, or samples. Each has its bytes or its JSON. */
struct gw_send_item {
    enum gw_kind kind;
    struct gw_str json, bytes; /* one is absent */
    const char *path;          /* where it stands; NULL: a sample */
    size_t line;
};

struct gw_send_items {
    struct gw_send_item *items;
    size_t n, room;
};

/* Adds what a file holds ("-": standard input): one request as JSON or protobuf bytes, or one
 * {"kind":…,"request":…} a line. kind: of requests that do not say; GW_KINDS when not given. */
int gw_send_read(struct gw_arena *mem, const char *path, enum gw_kind kind,
                 struct gw_send_items *out, struct gw_err *err);
/* Takes the next JSON object's text off the front of *text; p NULL: there is none. */
struct gw_str gw_send_object(struct gw_str *text);
/* All of a file, "-": standard input. */
int gw_send_file(struct gw_arena *mem, const char *path, struct gw_str *text, struct gw_err *err);
/* The same from text that is there already. */
int gw_send_parse(struct gw_arena *mem, const char *path, struct gw_str text, enum gw_kind kind,
                  struct gw_send_items *out, struct gw_err *err);
/* A built-in sample as JSON; run and i make its execution's name, so that all ids differ. */
struct gw_str gw_send_sample(struct gw_arena *mem, enum gw_kind kind, uint64_t run, int64_t i);

#endif
