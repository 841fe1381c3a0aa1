#ifndef GW_CMD_READY_H
#define GW_CMD_READY_H

struct gw_err;

/* Tells the world that the gateway is up. */

/* {"pid":…,"grpc":"…",…}, only what listens (NULL: it does not); written aside, renamed. */
int gw_ready_file(const char *path, const char *grpc, const char *http, const char *admin,
                  struct gw_err *err);
/* To systemd's NOTIFY_SOCKET, if there is one: "READY=1". */
void gw_notify(const char *state);

#endif
