#ifndef GW_NET_COMMAND_H
#define GW_NET_COMMAND_H

#include "base/buf.h"
#include "net/loop.h"

#include <stdint.h>

/* A command that prints something for us, on a loop: credentials. It leads a group of its own,
 * which ends with it. What it prints to standard output never gets into a log. */
struct gw_command {
    struct gw_loop *loop;
    /* why NULL: it ended with 0, and text is what it printed. Called once a start that returned 0,
     * never inside it. */
    void (*done)(struct gw_command *c, const char *why);
    struct gw_buf text;
    int fd, pidfd, pid; /* -1: none */
    struct gw_watch out, end;
    struct gw_timer late;
    int64_t timeout_ms;
};

void gw_command_init(struct gw_command *c, struct gw_loop *loop);
void gw_command_fini(struct gw_command *c); /* kills it; done is not called any more */
/* argv[0] is looked up in PATH; env NULL: ours. 0, or an errno. */
int gw_command_start(struct gw_command *c, char *const *argv, char *const *env, int64_t timeout_ms);

#endif
