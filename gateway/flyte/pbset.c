#include "flyte/pbset.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/pbset_raw.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct gw_pbset {
    struct gw_arena *mem;                              /* all of it, itself too */
    const ProtobufCMessageDescriptor *const *messages; /* by name */
    size_t n;
};

static struct gw_pbset known;

static void make_known(void)
{
    known = (struct gw_pbset){.messages = gw_schema_messages, .n = gw_schema_n_messages};
}

const struct gw_pbset *gw_pbset_known(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_known);
    return &known;
}

/* The messages of a table, which is sorted. */
static struct gw_pbset *make_set(struct gw_arena *keep, const struct gw_pbraw_table *t)
{
    struct gw_pbset *s = gw_arena_zalloc(keep, sizeof(*s));
    const ProtobufCMessageDescriptor **messages =
        gw_arena_alloc(keep, (t->n + 1) * sizeof(ProtobufCMessageDescriptor *));

    s->mem = keep;
    s->messages = messages;
    for (size_t i = 0; i < t->n; i++)
        if (t->all[i].message)
            messages[s->n++] = t->all[i].message->d;
    return s;
}

struct gw_pbset *gw_pbset_parse(struct gw_str bytes, struct gw_err *err)
{
    struct gw_pbraw raw = {.err = err};
    struct gw_pbset *s = NULL;
    struct gw_pbraw_table table;

    if (bytes.len > GW_PBSET_MAX_BYTES) {
        gw_err_set(err, GW_ERR_TOO_LARGE, "a descriptor set of more than %d MiB",
                   GW_PBSET_MAX_BYTES >> 20);
        return NULL;
    }
    raw.mem = gw_arena_new();
    raw.keep = gw_arena_new();
    if (!gw_pbraw_read(&raw, bytes.p ? bytes : GW_STR("")) && !gw_pbraw_build(&raw, &table))
        s = make_set(raw.keep, &table);
    else
        gw_arena_free(raw.keep);
    gw_arena_free(raw.mem);
    return s;
}

void gw_pbset_free(struct gw_pbset *s)
{
    if (s)
        gw_arena_free(s->mem);
}

size_t gw_pbset_memory(const struct gw_pbset *s)
{
    return gw_arena_size(s->mem);
}

static int by_name(const void *key, const void *item)
{
    const struct gw_str *name = key;
    const char *other = (*(const ProtobufCMessageDescriptor *const *)item)->name;
    size_t len = strlen(other);
    int c = memcmp(name->p, other, name->len < len ? name->len : len);

    return c ? c : (name->len > len) - (name->len < len);
}

const ProtobufCMessageDescriptor *gw_pbset_message(const struct gw_pbset *s, struct gw_str name)
{
    const ProtobufCMessageDescriptor *const *found;

    if (!name.len || !s->n)
        return NULL;
    found = bsearch(&name, s->messages, s->n, sizeof(ProtobufCMessageDescriptor *), by_name);
    return found ? *found : NULL;
}

void gw_pbset_offer(const struct gw_pbset *s, struct gw_nearest *near)
{
    for (size_t i = 0; i < s->n; i++)
        gw_nearest_offer(near, gw_str_of(s->messages[i]->name));
}

size_t gw_pbset_count(const struct gw_pbset *s)
{
    return s->n;
}

const ProtobufCMessageDescriptor *gw_pbset_at(const struct gw_pbset *s, size_t i)
{
    return s->messages[i];
}

static const char *missing_in(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    size_t n = f->label == PROTOBUF_C_LABEL_REPEATED ? gw_pb_count(m, f) : 1;
    void *at = gw_pb_member(m, f);
    ProtobufCMessage *const *items = f->label == PROTOBUF_C_LABEL_REPEATED ? *(void **)at : at;

    for (size_t i = 0; i < n; i++) {
        const char *name = items[i] ? gw_pb_missing(items[i]) : NULL;

        if (name)
            return name;
    }
    return NULL;
}

/* Recurses as deep as the message does, which whoever made it has bounded. */
const char *gw_pb_missing(const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = 0; gw_schema_of(d)->demands && i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const char *name = NULL;

        if (gw_pb_has(m, f))
            name = f->type == PROTOBUF_C_TYPE_MESSAGE ? missing_in(m, f) : NULL;
        else if (gw_schema_of(d)->fields[i].required)
            name = f->name;
        if (name)
            return name;
    }
    return NULL;
}
