#include "cmd/own.h"

#include "base/err.h"
#include "config/config.h"
#include "hook/sources.h"
#include "ingest/ingest.h"

#include <stdlib.h>
#include <string.h>

struct file {
    char *path;
    struct gw_sources *read; /* what it was */
};

struct gw_own {
    struct file *files;
    size_t n;
    int waits; /* what is new was not taken yet */
    int told;  /* that it has to wait */
};

/* As it is now. */
static void read_anew(struct file *f)
{
    struct gw_str text;
    struct gw_err err;

    gw_sources_drop(f->read);
    f->read = gw_sources_new();
    (void)gw_sources_file(f->read, f->path, &text, &err);
}

static size_t index_of(const struct gw_own *o, const char *path)
{
    size_t i = 0;

    while (i < o->n && strcmp(o->files[i].path, path) != 0)
        i++;
    return i;
}

static void add(void *ctx, const struct gw_pipeline_conf *of, const char *path)
{
    struct gw_own *o = ctx;
    struct file *f;

    if (of || index_of(o, path) < o->n)
        return;
    o->files = realloc(o->files, (o->n + 1) * sizeof(*o->files));
    if (!o->files)
        abort();
    f = &o->files[o->n++];
    *f = (struct file){.path = strdup(path)};
    if (!f->path)
        abort();
    read_anew(f);
}

static void leave_out(void *ctx, const char *path)
{
    struct gw_own *o = ctx;
    const size_t i = index_of(o, path);

    if (i == o->n)
        return;
    free(o->files[i].path);
    gw_sources_drop(o->files[i].read);
    o->files[i] = o->files[--o->n];
}

struct gw_own *gw_own_new(const struct gw_config *c, const struct gw_ingest *in)
{
    struct gw_own *o = calloc(1, sizeof(*o));

    if (!o)
        abort();
    gw_config_files(c, add, o);
    gw_ingest_files(in, leave_out, o);
    if (c->admin.token_file) /* read for each request */
        leave_out(o, c->admin.token_file);
    o->waits = o->n > 0; /* the configuration was read a while ago */
    return o;
}

void gw_own_free(struct gw_own *o)
{
    if (!o)
        return;
    while (o->n)
        leave_out(o, o->files[0].path);
    free(o->files);
    free(o);
}

void gw_own_each(const struct gw_own *o, void (*fn)(void *ctx, const char *path), void *ctx)
{
    for (size_t i = 0; i < o->n; i++)
        fn(ctx, o->files[i].path);
}

int gw_own_look(struct gw_own *o)
{
    for (size_t i = 0; i < o->n; i++) {
        struct file *f = &o->files[i];

        if (!gw_sources_changed(f->read))
            continue;
        read_anew(f);
        o->waits = 1;
        o->told = 0;
    }
    return o->waits;
}

void gw_own_taken(struct gw_own *o)
{
    o->waits = o->told = 0;
}

int gw_own_tell(struct gw_own *o)
{
    const int first = !o->told;

    o->told = 1;
    return first;
}
