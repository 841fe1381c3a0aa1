/* What a server says in a gRPC call of ours, behind a head that is right: the call ends once, with
 * a code and a reason. */
#include "net/loop.h"
#include "net/rpc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define HEAD                                                                                       \
    "\0\0\40\1\4\0\0\0\1\x88\0\14content-type\20"                                                  \
    "application/grpc"
static const char said[] = SETTINGS HEAD;
static struct gw_loop *loop;
static int listener, done_count;
static size_t heard;
static char url[64];

static void on_message(struct gw_rpc *r, struct gw_str message)
{
    heard += message.len;
    if (message.len == 7)
        gw_rpc_pause(r, 1);
}

static void on_done(struct gw_rpc *r)
{
    (void)r;
    done_count++;
}

static void listen_once(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);

    loop = gw_loop_new();
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&a, size) || listen(listener, 10) ||
        getsockname(listener, (struct sockaddr *)&a, &size))
        abort();
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(a.sin_port));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct gw_rpc_conf conf = {.url = url};
    struct gw_rpc r = {.path = "/a/b", .max_message = 1000, .message = on_message, .done = on_done};
    struct gw_rpc_channel *channel;
    int peer;

    if (!loop)
        listen_once();
    done_count = 0;
    heard = 0;
    channel = gw_rpc_channel_new(loop, &conf);
    gw_rpc_start(channel, &r, GW_STR("x"), 0);
    peer = accept(listener, NULL, NULL);
    for (int i = 0; i < 3; i++)
        gw_loop_turn(loop, 0);
    if (send(peer, said, sizeof(said) - 1, MSG_NOSIGNAL) < 0 ||
        send(peer, data, size / 2, MSG_NOSIGNAL) < 0)
        abort();
    gw_loop_turn(loop, 0);
    (void)send(peer, data + size / 2, size - size / 2, MSG_NOSIGNAL); /* it may have heard enough */
    shutdown(peer, SHUT_WR);
    gw_loop_turn(loop, 0);
    /* What waited while the call was paused may pause it again. */
    for (; !done_count; gw_loop_turn(loop, !done_count))
        if (r.impl)
            gw_rpc_pause(&r, 0);
    if (done_count != 1 || r.impl || heard > size || r.code < 0)
        abort();
    gw_rpc_channel_free(channel);
    close(peer);
    return 0;
}
