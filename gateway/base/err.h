#ifndef GW_BASE_ERR_H
#define GW_BASE_ERR_H

/* An error lives on the caller's stack and is the last parameter of what may fail. The kind says
 * what to do next, the message what happened; text grows outwards by gw_err_wrap. The layer that
 * decides what to do is the layer that logs, so each failure is logged once. */
enum gw_err_kind {
    GW_ERR_RETRY = 1,   /* the same call may succeed later: UNAVAILABLE, HTTP 503 */
    GW_ERR_REJECT,      /* this input never will: INVALID_ARGUMENT, HTTP 400 */
    GW_ERR_TOO_LARGE,   /* over a limit: RESOURCE_EXHAUSTED "message too large", HTTP 413 */
    GW_ERR_FULL,        /* no room now: RESOURCE_EXHAUSTED, HTTP 429 */
    GW_ERR_UNSUPPORTED, /* not something we do: UNIMPLEMENTED, HTTP 404 or 415 */
    GW_ERR_FATAL        /* the process or the part that asked cannot go on */
};

struct gw_err {
    enum gw_err_kind kind;
    char msg[400];
};

/* Fills *err and returns -1, so a function can end with `return gw_err_set(...)`. */
int gw_err_set(struct gw_err *err, enum gw_err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like gw_err_set, then ": " and the text of errno. */
int gw_err_errno(struct gw_err *err, enum gw_err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context before err->msg: "segment 7: bad magic". Returns -1. */
int gw_err_wrap(struct gw_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
