#ifndef GW_INGEST_DOOR_H
#define GW_INGEST_DOOR_H

#include "base/field.h"
#include "base/str.h"

struct gw_door;
struct gw_err;
struct gw_http_stream;
struct gw_problems;
struct gw_tls_server_conf;
struct gw_tls_slot;
struct gw_yaml;

/* Who may come in through a listener, and whether what is said stays between the two: the keys tls
 * and auth of ingest.grpc and ingest.http. A door is shared by the fronts of all loops; what its
 * files say is taken anew when they change, and connections that are there stay.
 *
 * Invariants
 *  1. What is wrong with a file that changes leaves everything as it was.
 *  2. No text of a token is kept, logged or answered. */
/* How large a request of who need not say who it is may be: its length alone, which is a few bytes,
 * takes of everybody's max_pending_bytes. */
enum { GW_ANONYMOUS_BYTES = 4096 };

struct gw_auth_conf {
    const char *tokens_file;
};
struct gw_door_conf {
    struct gw_tls_server_conf *tls; /* NULL: plain */
    struct gw_auth_conf *auth;      /* NULL: anybody */
};
extern const struct gw_field gw_auth_fields[];
/* Reads the files as the start would. at: the section that holds both keys, name: "ingest.grpc". */
void gw_door_check(const struct gw_door_conf *conf, const char *name, struct gw_problems *p,
                   const struct gw_yaml *at);

/* name is the log's component; conf and name are borrowed for life. */
struct gw_door *gw_door_open(const struct gw_door_conf *conf, const char *name, struct gw_err *err);
void gw_door_close(struct gw_door *d);                    /* NULL is fine */
struct gw_tls_slot *gw_door_tls(const struct gw_door *d); /* NULL: plain */
/* The files whose change matters. */
void gw_door_files(const struct gw_door *d, void (*fn)(void *ctx, const char *path), void *ctx);
/* Takes files that have changed. One thread at a time. */
void gw_door_refresh(struct gw_door *d);

/* 0: s may send, and its client is set: the token's name, absent where nobody is asked. -1: *why
 * says what is wanted. d NULL: anybody. Any thread. */
int gw_door_admit(struct gw_door *d, struct gw_http_stream *s, const char **why);
/* 1: a header that shows a token to this door, which is nobody else's business. */
int gw_door_hides(const struct gw_door *d, struct gw_str header);

#endif
