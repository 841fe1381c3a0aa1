#ifndef GW_ADMIN_LINES_REPLAY_H
#define GW_ADMIN_LINES_REPLAY_H

struct gw_buf;
struct gw_replay_counts;

/* Between the files of lines: how a replay gets on, with its line feed. */
void gw_put_replay_counts(struct gw_buf *out, const struct gw_replay_counts *c);

#endif
