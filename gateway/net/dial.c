#include "net/dial.h"

#include "base/err.h"
#include "net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* host:port or [v6]:port; the port is what is behind the last colon. NULL: none. */
static const char *split_address(const char *address, char *host, size_t size)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;

    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    if (!colon || len >= size || !colon[1])
        return NULL;
    memcpy(host, address, len);
    host[len] = '\0';
    return colon + 1;
}

/* The next address that a connection can be begun to. */
static int begin(struct gw_dial *d, struct gw_err *err)
{
    int rc, one = 1;

    for (; d->left; d->left = d->left->ai_next) {
        d->fd = socket(d->left->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        rc = d->fd < 0 ? -1 : connect(d->fd, d->left->ai_addr, d->left->ai_addrlen);
        if (!rc || (d->fd >= 0 && errno == EINPROGRESS)) {
            setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            d->left = d->left->ai_next;
            return 0;
        }
        gw_err_errno(err, GW_ERR_RETRY, "%s: connect", d->address);
        if (d->fd >= 0)
            close(d->fd);
        d->fd = -1;
    }
    return -1;
}

int gw_dial_begin(struct gw_dial *d, struct gw_err *err)
{
    if (d->problem)
        return gw_err_set(err, GW_ERR_RETRY, "%s: %s", d->address, gw_lookup_problem(d->problem));
    d->left = d->found;
    return begin(d, err);
}

static void on_known(void *ctx, int problem, struct addrinfo *found)
{
    struct gw_dial *d = ctx;

    d->lookup = NULL;
    d->problem = problem;
    d->found = found;
    d->known(d);
}

int gw_dial_open(struct gw_dial *d, struct gw_loop *loop, const char *address,
                 void (*known)(struct gw_dial *d), struct gw_err *err)
{
    char host[256];
    const char *port = split_address(address, host, sizeof(host));

    d->fd = -1;
    d->problem = 0;
    if (!port)
        return gw_err_set(err, GW_ERR_REJECT, "\"%s\" is not host:port", address);
    d->address = strdup(address);
    if (!d->address)
        abort();
    if (!gw_lookup_digits(host, port, &d->found))
        return gw_dial_begin(d, err);
    d->known = known;
    d->lookup = gw_lookup_start(loop, host, port, on_known, d);
    return d->lookup ? 1 : gw_err_errno(err, GW_ERR_RETRY, "%s: look up", address);
}

int gw_dial_finish(struct gw_dial *d, struct gw_err *err)
{
    int problem = 0;
    socklen_t len = sizeof(problem);

    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &problem, &len))
        problem = errno;
    if (!problem)
        return 0;
    close(d->fd);
    d->fd = -1;
    errno = problem;
    gw_err_errno(err, GW_ERR_RETRY, "%s: connect", d->address);
    return begin(d, err) ? -1 : 1;
}

void gw_dial_fini(struct gw_dial *d)
{
    gw_lookup_cancel(d->lookup);
    d->lookup = NULL;
    if (d->found)
        freeaddrinfo(d->found);
    free(d->address);
    d->found = d->left = NULL;
    d->address = NULL;
}
