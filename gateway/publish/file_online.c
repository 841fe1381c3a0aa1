/* Could the file be written? It is neither made nor changed by asking. */
#include "publish/publish_file.h"

#include "net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct asking {
    struct gw_asking base; /* first */
    struct gw_loop *loop;
    struct gw_online *online;
    struct gw_task task; /* the answer is there at once, and said in the next turn */
    int answer;
    char text[PATH_MAX + 200];
};

static void say(struct asking *a, int answer, const char *path, const char *what)
{
    a->answer = answer;
    (void)snprintf(a->text, sizeof(a->text), "%s %s", path, what);
}

static void say_errno(struct asking *a, const char *path, const char *what)
{
    char why[100], text[200];

    (void)snprintf(text, sizeof(text), "%s: %s", what, strerror_r(errno, why, sizeof(why)));
    say(a, GW_ONLINE_NO, path, text);
}

/* 0: files can be made in the path's folder. */
static int look_at_folder(struct asking *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%.*s", slash && slash > path ? (int)(slash - path) : 1,
                   slash ? path : ".");
    if (!faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS))
        return 0;
    say_errno(a, folder, "is a folder in which no file can be made");
    return -1;
}

static void look_at_file(struct asking *a, const struct gw_publish_file_conf *c)
{
    const int fd = open(c->path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
        if (!c->rotate || !look_at_folder(a, c->path))
            say(a, GW_ONLINE_YES, c->path, "can be written");
    } else if (errno == ENXIO) {
        say(a, GW_ONLINE_UNSURE, c->path, "is a pipe that nobody reads now");
    } else {
        say_errno(a, c->path, "cannot be written");
    }
}

static void look(struct asking *a, const struct gw_publish_file_conf *c)
{
    struct stat st;

    if (!strcmp(c->path, "-"))
        say(a, GW_ONLINE_YES, "standard output", "takes events");
    else if (!stat(c->path, &st))
        look_at_file(a, c);
    else if (errno != ENOENT)
        say_errno(a, c->path, "cannot be looked at");
    else if (!look_at_folder(a, c->path))
        say(a, GW_ONLINE_YES, c->path, "is not there yet and can be made");
}

static void on_task(struct gw_task *t)
{
    struct asking *a = GW_CONTAINER(t, struct asking, task);

    a->online->said(a->online, a->answer, a->text);
}

static void asking_close(struct gw_asking *base)
{
    struct asking *a = (struct asking *)base;

    gw_loop_cancel(a->loop, &a->task);
    free(a);
}

struct gw_asking *gw_file_ask(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                              struct gw_online *o)
{
    struct asking *a = calloc(1, sizeof(*a));

    (void)f;
    if (!a)
        abort();
    a->base.close = asking_close;
    a->loop = loop;
    a->online = o;
    a->task.fn = on_task;
    look(a, conf);
    gw_loop_post(loop, &a->task);
    return &a->base;
}
