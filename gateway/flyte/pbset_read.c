/* The bytes of a FileDescriptorSet as lists of what it declares. Only what descriptors need is
 * read; every name is an identifier and bounded, nesting is bounded, and items are counted. */
#include "base/arena.h"
#include "base/err.h"
#include "base/pbwire.h"
#include "flyte/pbset_raw.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_FULL_NAME = 1000 };

struct reader {
    struct gw_pbraw *raw;
    struct gw_pbraw_file *file;
    struct gw_pbraw_file **next_file;
    struct gw_pbraw_message **next_message;
    struct gw_pbraw_enum **next_enum;
};

int gw_pbraw_fail(struct gw_pbraw *raw, const struct gw_pbraw_file *f, struct gw_str what,
                  const char *fmt, ...)
{
    char why[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return gw_err_set(raw->err, GW_ERR_REJECT, "%.60s%s%.60s%s%s", f && f->name.p ? f->name.p : "",
                      f && f->name.p ? ": " : "", what.p ? what.p : "", what.p ? ": " : "", why);
}

static int fail(const struct reader *r, struct gw_str what, const char *why)
{
    return gw_pbraw_fail(r->raw, r->file, what, "%s", why);
}

static int cut(const struct reader *r, struct gw_str what)
{
    return fail(r, what,
                "cut short, or no descriptor set (protoc --include_imports --descriptor_set_out)");
}

static struct gw_pbwire wire_of(struct gw_str s)
{
    const char *p = s.p ? s.p : "";

    return (struct gw_pbwire){p, p + s.len};
}

/* One more message, field, value or file. */
static int count(const struct reader *r)
{
    if (++r->raw->n_items <= GW_PBSET_MAX_ITEMS)
        return 0;
    return gw_err_set(r->raw->err, GW_ERR_TOO_LARGE,
                      "more than %d messages, fields and enum values", GW_PBSET_MAX_ITEMS);
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_identifier(struct gw_str s)
{
    if (!s.len || s.len > GW_PBSET_MAX_NAME || !is_letter(s.p[0]))
        return 0;
    for (size_t i = 1; i < s.len; i++)
        if (!is_letter(s.p[i]) && !(s.p[i] >= '0' && s.p[i] <= '9'))
            return 0;
    return 1;
}

/* Identifiers with dots between them. */
static int is_package(struct gw_str s)
{
    while (s.len) {
        const char *dot = memchr(s.p, '.', s.len);
        size_t n = dot ? (size_t)(dot - s.p) : s.len;

        if (!is_identifier((struct gw_str){s.p, n}) || n + 1 == s.len)
            return 0;
        s.p += n < s.len ? n + 1 : n;
        s.len -= n < s.len ? n + 1 : n;
    }
    return 1;
}

/* Printable, for errors. */
static struct gw_str printable(const struct reader *r, struct gw_str s)
{
    char *p = gw_arena_strndup(r->raw->mem, s.len ? s.p : "", s.len < 255 ? s.len : 255);

    for (char *c = p; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            *c = '?';
    return gw_str_of(p);
}

static int keep_name(const struct reader *r, struct gw_str in, struct gw_str scope, const char *of,
                     struct gw_str *out)
{
    if (!is_identifier(in))
        return gw_pbraw_fail(r->raw, r->file, scope,
                             "\"%.60s\" is no name of %s (letters, digits, _)", printable(r, in).p,
                             of);
    *out = gw_arena_str(r->raw->keep, in);
    return 0;
}

/* scope.last, in keep; last is its end. */
static int full_name(const struct reader *r, struct gw_str scope, struct gw_str in, const char *of,
                     struct gw_str *full, struct gw_str *last)
{
    if (keep_name(r, in, scope, of, last))
        return -1;
    *full = *last;
    if (!scope.len)
        return 0;
    if (scope.len + in.len + 1 > MAX_FULL_NAME)
        return fail(r, *last, "its full name is longer than 1000 characters");
    *full =
        gw_arena_printf(r->raw->keep, "%.*s.%s", (int)scope.len, scope.p ? scope.p : "", last->p);
    last->p = full->p + scope.len + 1;
    return 0;
}

/* Members of a message that holds only numbers and names. */
static int find_varint(const struct reader *r, struct gw_str bytes, uint32_t number, uint64_t *out)
{
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field f;
    int rc;

    while ((rc = gw_pbwire_next(&w, &f)) == 1)
        if (f.number == number && f.type == GW_PBWIRE_VARINT)
            *out = f.varint;
    return rc ? cut(r, (struct gw_str){0}) : 0;
}

static int find_bytes(const struct reader *r, struct gw_str bytes, uint32_t number,
                      struct gw_str *out)
{
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field f;
    int rc;

    while ((rc = gw_pbwire_next(&w, &f)) == 1)
        if (f.number == number && f.type == GW_PBWIRE_BYTES)
            *out = f.bytes;
    return rc ? cut(r, (struct gw_str){0}) : 0;
}

/* ---- enums --------------------------------------------------------------------------- */

static int read_enum_value(struct reader *r, struct gw_pbraw_enum *e, struct gw_str bytes,
                           struct gw_pbraw_name ***next)
{
    struct gw_pbraw_name *v = gw_arena_zalloc(r->raw->mem, sizeof(*v));
    struct gw_str name = {0};
    uint64_t number = 0;

    if (count(r) || find_bytes(r, bytes, 1, &name) || find_varint(r, bytes, 2, &number) ||
        keep_name(r, name, e->name, "an enum's value", &v->name))
        return -1;
    if ((int64_t)number < INT32_MIN || (int64_t)number > INT32_MAX)
        return fail(r, e->name, "the number of a value is out of 32 bits");
    v->number = (int32_t)(int64_t)number;
    **next = v;
    *next = &v->next;
    e->n_values++;
    return 0;
}

static int read_enum(struct reader *r, struct gw_str bytes, struct gw_str scope)
{
    struct gw_pbraw_enum *e = gw_arena_zalloc(r->raw->mem, sizeof(*e));
    struct gw_pbraw_name **next = &e->values;
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field f;
    struct gw_str name = {0};
    int rc;

    if (count(r) || find_bytes(r, bytes, 1, &name) ||
        full_name(r, scope, name, "an enum", &e->name, &e->last))
        return -1;
    e->file = r->file;
    while ((rc = gw_pbwire_next(&w, &f)) == 1)
        if (f.number == 2 && f.type == GW_PBWIRE_BYTES && read_enum_value(r, e, f.bytes, &next))
            return -1;
    if (rc)
        return cut(r, e->name);
    if (!e->n_values)
        return fail(r, e->name, "an enum without values");
    *r->next_enum = e;
    r->next_enum = &e->next;
    r->raw->n_enums++;
    return 0;
}

/* ---- messages ------------------------------------------------------------------------ */

static int field_member(const struct reader *r, struct gw_pbraw_field *f,
                        const struct gw_pbwire_field *w)
{
    uint64_t packed = 2;

    if (w->type == GW_PBWIRE_VARINT) {
        if (w->number == 3)
            f->number = w->varint;
        else if (w->number == 4)
            f->label = w->varint;
        else if (w->number == 5)
            f->type = w->varint;
        else if (w->number == 9)
            f->oneof = w->varint < UINT32_MAX ? w->varint + 1 : UINT32_MAX;
        else if (w->number == 17)
            f->optional3 = w->varint != 0;
        return 0;
    }
    if (w->type != GW_PBWIRE_BYTES)
        return 0;
    if (w->number == 1)
        f->name = w->bytes;
    else if (w->number == 6)
        f->type_name = w->bytes;
    else if (w->number == 10)
        f->json = w->bytes;
    else if (w->number == 8 && find_varint(r, w->bytes, 2, &packed))
        return -1;
    else if (packed != 2)
        f->packed = packed != 0;
    return 0;
}

/* protoc writes the JSON name; another tool may leave it out. */
static struct gw_str json_name(const struct reader *r, struct gw_str name)
{
    char *p = gw_arena_alloc(r->raw->keep, name.len + 1);
    size_t n = 0;
    int upper = 0;

    for (size_t i = 0; i < name.len; i++) {
        const char c = name.p[i];

        if (c != '_')
            p[n++] = c;
        if (upper && c >= 'a' && c <= 'z')
            p[n - 1] ^= 'a' ^ 'A';
        upper = c == '_';
    }
    p[n] = '\0';
    return (struct gw_str){p, n};
}

static int keep_json_name(const struct reader *r, struct gw_str scope, struct gw_pbraw_field *f)
{
    if (!f->json.len) {
        f->json = json_name(r, f->name);
        return 0;
    }
    for (size_t i = 0; i < f->json.len; i++)
        if ((unsigned char)f->json.p[i] < 0x20 || (unsigned char)f->json.p[i] > 0x7e ||
            f->json.p[i] == '"' || f->json.p[i] == '\\' || f->json.len > GW_PBSET_MAX_NAME)
            return gw_pbraw_fail(r->raw, r->file, scope,
                                 "%.60s: json_name \"%.60s\" is not understood", f->name.p,
                                 printable(r, f->json).p);
    f->json = gw_arena_str(r->raw->keep, f->json);
    return 0;
}

static int read_field(struct reader *r, struct gw_pbraw_message *m, struct gw_str bytes,
                      struct gw_pbraw_field ***next)
{
    struct gw_pbraw_field *f = gw_arena_zalloc(r->raw->mem, sizeof(*f));
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field member;
    int rc;

    f->packed = -1;
    while ((rc = gw_pbwire_next(&w, &member)) == 1)
        if (field_member(r, f, &member))
            return -1;
    if (rc)
        return cut(r, m->name);
    if (count(r) || keep_name(r, f->name, m->name, "a field", &f->name) ||
        keep_json_name(r, m->name, f))
        return -1;
    **next = f;
    *next = &f->next;
    m->n_fields++;
    return 0;
}

static int read_oneof(struct reader *r, struct gw_pbraw_message *m, struct gw_str bytes,
                      struct gw_pbraw_name ***next)
{
    struct gw_pbraw_name *o = gw_arena_zalloc(r->raw->mem, sizeof(*o));
    struct gw_str name = {0};

    if (count(r) || find_bytes(r, bytes, 1, &name) ||
        keep_name(r, name, m->name, "a oneof", &o->name))
        return -1;
    if (++m->n_oneofs > UINT8_MAX)
        return fail(r, m->name, "more than 255 oneofs (proto3's optional is one, too)");
    **next = o;
    *next = &o->next;
    return 0;
}

static int read_message(struct reader *r, struct gw_str bytes, struct gw_str scope, int depth);

/* What it holds, after its own name is known. */
static int read_members(struct reader *r, struct gw_pbraw_message *m, struct gw_str bytes,
                        int depth)
{
    struct gw_pbraw_field **field = &m->fields;
    struct gw_pbraw_name **oneof = &m->oneofs;
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field f;
    int rc = 0, bad = 0;

    while (!bad && (rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.type != GW_PBWIRE_BYTES)
            continue;
        if (f.number == 2)
            bad = read_field(r, m, f.bytes, &field);
        else if (f.number == 3)
            bad = read_message(r, f.bytes, m->name, depth + 1);
        else if (f.number == 4)
            bad = read_enum(r, f.bytes, m->name);
        else if (f.number == 8)
            bad = read_oneof(r, m, f.bytes, &oneof);
    }
    if (bad)
        return -1;
    return rc ? cut(r, m->name) : 0;
}

static int read_message(struct reader *r, struct gw_str bytes, struct gw_str scope, int depth)
{
    struct gw_pbraw_message *m = gw_arena_zalloc(r->raw->mem, sizeof(*m));
    struct gw_str name = {0}, options = {0};
    uint64_t map_entry = 0;

    if (count(r) || find_bytes(r, bytes, 1, &name) || find_bytes(r, bytes, 7, &options) ||
        find_varint(r, options, 7, &map_entry) ||
        full_name(r, scope, name, "a message", &m->name, &m->last))
        return -1;
    if (depth > MAX_DEPTH)
        return fail(r, m->name, "messages are declared more than 32 deep");
    m->file = r->file;
    m->map_entry = map_entry != 0;
    *r->next_message = m;
    r->next_message = &m->next;
    r->raw->n_messages++;
    return read_members(r, m, bytes, depth);
}

/* ---- files --------------------------------------------------------------------------- */

static int check_syntax(const struct reader *r, struct gw_str syntax)
{
    r->file->proto3 = gw_str_is(syntax, "proto3");
    if (r->file->proto3 || !syntax.len || gw_str_is(syntax, "proto2"))
        return 0;
    return gw_pbraw_fail(r->raw, r->file, (struct gw_str){0},
                         "syntax \"%.20s\" is not supported (proto3 and proto2 are)",
                         printable(r, syntax).p);
}

/* Name, package, syntax, imports: they may come behind what needs them. */
static int read_head(struct reader *r, struct gw_str bytes)
{
    struct gw_pbraw_file *file = r->file;
    struct gw_pbraw_name **next = &file->imports;
    struct gw_pbwire w = wire_of(bytes);
    struct gw_str name = {0}, syntax = {0};
    struct gw_pbwire_field f;
    int rc;

    if (find_bytes(r, bytes, 1, &name) || find_bytes(r, bytes, 2, &file->package) ||
        find_bytes(r, bytes, 12, &syntax))
        return -1;
    if (!name.len || printable(r, name).len != name.len)
        return fail(r, (struct gw_str){0},
                    "a file without a name, or one of more than 255 characters");
    file->name = gw_arena_str(r->raw->keep, printable(r, name));
    if (!is_package(file->package) || file->package.len > MAX_FULL_NAME / 2)
        return gw_pbraw_fail(r->raw, file, (struct gw_str){0}, "\"%.60s\" is no name of a package",
                             printable(r, file->package).p);
    while ((rc = gw_pbwire_next(&w, &f)) == 1)
        if (f.number == 3 && f.type == GW_PBWIRE_BYTES) {
            struct gw_pbraw_name *import = gw_arena_zalloc(r->raw->mem, sizeof(*import));

            if (count(r))
                return -1;
            import->name = f.bytes;
            *next = import;
            next = &import->next;
        }
    return rc ? cut(r, (struct gw_str){0}) : check_syntax(r, syntax);
}

static int read_file(struct reader *r, struct gw_str bytes)
{
    struct gw_pbraw_file *file = gw_arena_zalloc(r->raw->mem, sizeof(*file));
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field f;
    int rc = 0, bad;

    r->file = file;
    file->index = r->raw->n_files++;
    *r->next_file = file;
    r->next_file = &file->next;
    bad = count(r) || read_head(r, bytes);
    while (!bad && (rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.number == 4 && f.type == GW_PBWIRE_BYTES)
            bad = read_message(r, f.bytes, file->package, 1);
        else if (f.number == 5 && f.type == GW_PBWIRE_BYTES)
            bad = read_enum(r, f.bytes, file->package);
    }
    if (bad)
        return -1;
    return rc ? cut(r, (struct gw_str){0}) : 0;
}

int gw_pbraw_read(struct gw_pbraw *raw, struct gw_str bytes)
{
    struct reader r = {raw, NULL, &raw->files, &raw->messages, &raw->enums};
    struct gw_pbwire w = wire_of(bytes);
    struct gw_pbwire_field f;
    int rc;

    while ((rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.number != 1 || f.type != GW_PBWIRE_BYTES)
            return cut(&r, (struct gw_str){0});
        if (read_file(&r, f.bytes))
            return -1;
        r.file = NULL;
    }
    if (rc || !raw->n_files)
        return cut(&r, (struct gw_str){0});
    return 0;
}
