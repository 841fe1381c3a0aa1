/* A FlyteAdmin that costs next to nothing, for the rows of the proxy: epoll, nghttp2, and one
 * answer to every call: an empty message and grpc-status 0. Prints the address it listens on,
 * serves until it is killed. Answers of one read leave in one write. */
#include "loopback.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define NV(name, value)                                                                            \
    {                                                                                              \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1,                \
            NGHTTP2_NV_FLAG_NONE                                                                   \
    }

struct client {
    int fd, writing;
    nghttp2_session *session;
    size_t len, sent;
    char out[256 << 10];
};

/* NOLINTNEXTLINE(readability-function-size): nghttp2's signature */
static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *out, size_t len,
                           uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    const nghttp2_nv trailers[] = {NV("grpc-status", "0")};

    (void)source;
    (void)ctx;
    (void)len; /* five bytes always fit */
    memset(out, 0, 5);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, trailers, 1);
    return 5;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    const nghttp2_nv head[] = {NV(":status", "200"), NV("content-type", "application/grpc")};
    const nghttp2_data_provider body = {.read_callback = read_answer};

    (void)ctx;
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
    return 0;
}

static void accept_all(int epoll, int listener, const nghttp2_session_callbacks *callbacks)
{
    const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000};

    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct client *c = calloc(1, sizeof(*c));
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        if (!c || nghttp2_session_server_new(&c->session, callbacks, c))
            exit(1);
        c->fd = fd;
        nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &settings, 1);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

static void fill(struct client *c)
{
    const uint8_t *p;
    ssize_t n;

    while (c->len + (32 << 10) < sizeof(c->out) &&
           (n = nghttp2_session_mem_send(c->session, &p)) > 0) {
        memcpy(c->out + c->len, p, (size_t)n);
        c->len += (size_t)n;
    }
}

/* 0 when the client is gone. */
static int serve(int epoll, struct client *c)
{
    static uint8_t in[64 << 10];
    ssize_t n = read(c->fd, in, sizeof(in));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

    if (n == 0 || (n < 0 && errno != EAGAIN) ||
        (n > 0 && nghttp2_session_mem_recv(c->session, in, (size_t)n) < 0))
        return 0;
    for (;;) {
        if (c->sent == c->len) {
            c->sent = c->len = 0;
            fill(c);
        }
        if (c->len == 0)
            break;
        n = write(c->fd, c->out + c->sent, c->len - c->sent);
        if (n < 0 && errno != EAGAIN)
            return 0;
        if (n < 0)
            break;
        c->sent += (size_t)n;
    }
    if (c->writing == (c->len > 0))
        return 1;
    c->writing = c->len > 0;
    e.events |= c->writing ? EPOLLOUT : 0;
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
    return 1;
}

int main(void)
{
    int listener = listen_on_loopback(), epoll = epoll_create1(0), n;
    struct epoll_event e = {.events = EPOLLIN}, events[256];
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks))
        return 1;
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;

            if (!c) {
                accept_all(epoll, listener, callbacks);
            } else if (!serve(epoll, c)) {
                nghttp2_session_del(c->session);
                close(c->fd);
                free(c);
            }
        }
    }
}
