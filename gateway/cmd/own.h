#ifndef GW_CMD_OWN_H
#define GW_CMD_OWN_H

struct gw_config;
struct gw_ingest;

/* Files whose contents the sources of ingest have from the configuration, as a password: a change
 * of one means that it is to be read again. Those that are looked at while the gateway runs (of
 * listeners, the admin's token) are not among them. */
struct gw_own;

/* c is what was read at the start; in has its listeners, whose files it takes by itself. */
struct gw_own *gw_own_new(const struct gw_config *c, const struct gw_ingest *in);
void gw_own_free(struct gw_own *o); /* NULL is fine */
void gw_own_each(const struct gw_own *o, void (*fn)(void *ctx, const char *path), void *ctx);
/* 1: some have changed since what they said was taken, or may have. One thread at a time. */
int gw_own_look(struct gw_own *o);
void gw_own_taken(struct gw_own *o);
/* It cannot be taken: 1 for the first time since one of the files has changed, so that it is told
 * once. */
int gw_own_tell(struct gw_own *o);

#endif
