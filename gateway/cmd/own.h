#ifndef GW_CMD_OWN_H
#define GW_CMD_OWN_H

struct gw_config;
struct gw_ingest;

/* Files that the gateway itself reads at its start only, as the password of a source: a change of
 * one is told, for it takes a restart. Those that are taken while it runs are not among them. */
struct gw_own;

/* c is what was read at the start; in has its listeners, whose files it takes by itself. */
struct gw_own *gw_own_new(const struct gw_config *c, const struct gw_ingest *in);
void gw_own_free(struct gw_own *o); /* NULL is fine */
void gw_own_each(const struct gw_own *o, void (*fn)(void *ctx, const char *path), void *ctx);
/* Tells of each that has changed since the last look. One thread at a time. */
void gw_own_look(struct gw_own *o);

#endif
