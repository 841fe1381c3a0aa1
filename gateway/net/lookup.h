#ifndef GW_NET_LOOKUP_H
#define GW_NET_LOOKUP_H

struct addrinfo;
struct gw_lookup;
struct gw_loop;

/* Looking hosts up without blocking a loop: getaddrinfo may take as long as a resolver that does
 * not answer, so it runs on threads that live while there is something to look up,
 * GW_LOOKUP_THREADS at once in the process. What waits for a thread has no deadline here: its
 * owner's, who cancels.
 *
 * done runs once for each start that was not cancelled, on the loop, never inside start, and is the
 * last use of the lookup. problem: 0, and found is the owner's (freeaddrinfo); else what
 * gw_lookup_problem has a text for. start is NULL if there is no descriptor to be had: errno. */
enum { GW_LOOKUP_THREADS = 4 };

typedef void gw_lookup_fn(void *ctx, int problem, struct addrinfo *found);
struct gw_lookup *gw_lookup_start(struct gw_loop *loop, const char *host, const char *port,
                                  gw_lookup_fn *done, void *ctx);
void gw_lookup_cancel(struct gw_lookup *l); /* NULL is fine */
/* An address in digits, which nobody has to be asked for. 0: found is set; else: start. */
int gw_lookup_digits(const char *host, const char *port, struct addrinfo **found);
const char *gw_lookup_problem(int problem);

/* What the threads call; tests put something else there. */
extern int (*gw_lookup_ask)(const char *host, const char *port, const struct addrinfo *hints,
                            struct addrinfo **found);

#endif
