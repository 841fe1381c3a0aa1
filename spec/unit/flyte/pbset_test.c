#include "flyte/pbset.h"

#include "base/pbwire.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "flyte/schema.h"
#include "golden.h"

/* A descriptor set made by hand: what it says is put together from the inside. */
static struct gw_buf *buf(void)
{
    struct gw_buf *b = malloc(sizeof(*b));

    gw_buf_init(b, 64 << 20, NULL);
    return b;
}

static struct gw_str text_of(struct gw_buf *b)
{
    return gw_buf_str(b);
}

static void put(struct gw_buf *b, uint32_t number, const char *s)
{
    gw_pbwire_put_bytes(b, number, gw_str_of(s));
}

static struct gw_buf *field(const char *name, unsigned number, unsigned type, unsigned label)
{
    struct gw_buf *b = buf();

    put(b, 1, name);
    gw_pbwire_put_varint(b, 3, number);
    gw_pbwire_put_varint(b, 4, label);
    gw_pbwire_put_varint(b, 5, type);
    return b;
}

static struct gw_buf *of_type(struct gw_buf *f, const char *type)
{
    put(f, 6, type);
    return f;
}

static struct gw_buf *varint(struct gw_buf *f, uint32_t number, uint64_t v)
{
    gw_pbwire_put_varint(f, number, v);
    return f;
}

/* name with one part, whose number is given; more parts with `with`. */
static struct gw_buf *with(struct gw_buf *in, uint32_t number, struct gw_buf *part)
{
    gw_pbwire_put_bytes(in, number, text_of(part));
    gw_buf_free(part);
    free(part);
    return in;
}

static struct gw_buf *named(const char *name)
{
    struct gw_buf *b = buf();

    put(b, 1, name);
    return b;
}

static struct gw_buf *message(const char *name, struct gw_buf *f)
{
    return f ? with(named(name), 2, f) : named(name);
}

static struct gw_buf *proto3(const char *name, struct gw_buf *m)
{
    struct gw_buf *b = named(name);

    put(b, 2, "p");
    put(b, 12, "proto3");
    return m ? with(b, 4, m) : b;
}

static struct gw_buf *proto2(struct gw_buf *m)
{
    struct gw_buf *b = named("two.proto");

    put(b, 2, "p");
    return with(b, 4, m);
}

static struct gw_buf *set_of(struct gw_buf *file)
{
    return with(buf(), 1, file);
}

/* A file with one message M. */
static struct gw_buf *one(struct gw_buf *f)
{
    return set_of(proto3("a.proto", message("M", f)));
}

static int says(struct gw_buf *set, const char *want)
{
    struct gw_err err = {.msg = ""};
    struct gw_pbset *s = gw_pbset_parse(text_of(set), &err);
    int same = !strcmp(err.msg, want) && (s != NULL) == !*want;

    if (!same)
        fprintf(stderr, "got  %s\nwant %s\n", err.msg, want);
    gw_pbset_free(s);
    gw_buf_free(set);
    free(set);
    return same;
}

enum { INT32 = 5, STRING = 9, GROUP = 10, MESSAGE = 11, BYTES = 12, ENUM = 14, OPTIONAL = 1 };
enum { REQUIRED = 2, REPEATED = 3 };

TEST(test_pbset_says_what_is_wrong_with_a_field)
{
    CHECK(says(one(field("a", 1, INT32, OPTIONAL)), ""));
    CHECK(says(one(field("a", 536870911, INT32, OPTIONAL)), ""));
    CHECK(says(one(field("a", 0, INT32, OPTIONAL)),
               "a.proto: p.M: a has a number that is none of 1 to 536870911"));
    CHECK(says(one(field("a", 536870912, INT32, OPTIONAL)),
               "a.proto: p.M: a has a number that is none of 1 to 536870911"));
    CHECK(says(one(field("a", 1, 0, OPTIONAL)), "a.proto: p.M: a has a type that does not exist"));
    CHECK(says(one(field("a", 1, 19, OPTIONAL)), "a.proto: p.M: a has a type that does not exist"));
    CHECK(says(one(field("a", 1, INT32, 0)),
               "a.proto: p.M: a is neither optional, required nor repeated"));
    CHECK(says(one(field("a", 1, INT32, REQUIRED)),
               "a.proto: p.M: a is required, which proto3 does not have"));
    CHECK(says(set_of(proto2(message("M", field("a", 1, INT32, REQUIRED)))), ""));
    CHECK(says(set_of(proto2(message("M", of_type(field("a", 1, GROUP, OPTIONAL), ".p.M.A")))),
               "two.proto: p.M: a is a group (proto2), which is not supported"));
    CHECK(says(one(field("a-b", 1, INT32, OPTIONAL)),
               "a.proto: p.M: \"a-b\" is no name of a field (letters, digits, _)"));
    CHECK(says(one(field("1a\n", 1, INT32, OPTIONAL)),
               "a.proto: p.M: \"1a?\" is no name of a field (letters, digits, _)"));
    CHECK(says(one(varint(field("a", 1, INT32, OPTIONAL), 9, 0)),
               "a.proto: p.M: a is of a oneof that does not exist"));
    CHECK(says(one(varint(field("a", 1, INT32, OPTIONAL), 9, UINT64_MAX)),
               "a.proto: p.M: a is of a oneof that does not exist"));
    CHECK(says(
        set_of(proto3("a.proto", with(message("M", varint(field("a", 1, INT32, REPEATED), 9, 0)), 8,
                                      named("o")))),
        "a.proto: p.M: a is of a oneof and repeated or required"));
    CHECK(says(one(of_type(field("a", 1, MESSAGE, OPTIONAL), ".p.M")), ""));
    CHECK(says(one(of_type(field("a", 1, MESSAGE, OPTIONAL), ".p.N")),
               "a.proto: p.M: a: its type is not in the set (protoc --include_imports)"));
    CHECK(says(one(of_type(field("a", 1, MESSAGE, OPTIONAL), "M")),
               "a.proto: p.M: a has no full name of a type (protoc writes them)"));
    CHECK(says(one(field("a", 1, MESSAGE, OPTIONAL)),
               "a.proto: p.M: a has no full name of a type (protoc writes them)"));
    CHECK(says(one(of_type(field("a", 1, ENUM, OPTIONAL), ".p.M")),
               "a.proto: p.M: a has a type of another sort (message, enum) than it says"));
}

TEST(test_pbset_says_what_is_there_twice)
{
    CHECK(says(set_of(proto3("a.proto", with(message("M", field("a", 1, INT32, OPTIONAL)), 2,
                                             field("b", 1, INT32, OPTIONAL)))),
               "a.proto: p.M: a and b have one number"));
    CHECK(says(set_of(proto3("a.proto", with(message("M", field("a", 1, INT32, OPTIONAL)), 2,
                                             field("a", 2, INT32, OPTIONAL)))),
               "a.proto: p.M: two fields are named a"));
    CHECK(says(with(one(NULL), 1, proto3("b.proto", message("M", NULL))),
               "b.proto: p.M: declared twice (in a.proto, too)"));
    CHECK(says(with(one(NULL), 1, proto3("a.proto", message("N", NULL))),
               "a.proto: twice in the set"));
}

static struct gw_buf *value(const char *name, uint64_t number)
{
    return varint(named(name), 2, number);
}

static struct gw_buf *with_enum(struct gw_buf *e)
{
    return set_of(with(proto3("a.proto", NULL), 5, e));
}

TEST(test_pbset_says_what_is_wrong_with_an_enum)
{
    CHECK(says(with_enum(named("E")), "a.proto: p.E: an enum without values"));
    CHECK(says(with_enum(with(named("E"), 2, value("A", 0))), ""));
    CHECK(says(with_enum(with(named("E"), 2, value("A", UINT64_C(0xffffffff80000000)))), ""));
    CHECK(says(with_enum(with(named("E"), 2, value("A", UINT64_C(0x80000000)))),
               "a.proto: p.E: the number of a value is out of 32 bits"));
    CHECK(says(with_enum(with(with(named("E"), 2, value("A", 0)), 2, value("A", 1))),
               "a.proto: p.E: two values are named A"));
    CHECK(says(with_enum(with(with(named("E"), 2, value("A", 0)), 2, value("B", 0))), ""));
    CHECK(says(with_enum(with(named("E"), 2, value("", 0))),
               "a.proto: p.E: \"\" is no name of an enum's value (letters, digits, _)"));
}

static struct gw_buf *entry(unsigned key_type, unsigned value_number)
{
    struct gw_buf *m = with(message("E", field("key", 1, key_type, OPTIONAL)), 2,
                            field("value", value_number, INT32, OPTIONAL));

    return with(m, 7, varint(buf(), 7, 1));
}

static struct gw_buf *with_map(struct gw_buf *e, unsigned label)
{
    struct gw_buf *m = message("M", of_type(field("map", 1, MESSAGE, label), ".p.M.E"));

    return set_of(proto3("a.proto", with(m, 3, e)));
}

TEST(test_pbset_says_what_is_wrong_with_a_map)
{
    CHECK(says(with_map(entry(STRING, 2), REPEATED), ""));
    CHECK(says(with_map(entry(BYTES, 2), REPEATED),
               "a.proto: p.M.E: key is no type for the key of a map"));
    CHECK(says(with_map(entry(STRING, 3), REPEATED),
               "a.proto: p.M.E: no entry of a map: (1) and (2)"));
    CHECK(says(with_map(entry(STRING, 2), OPTIONAL),
               "a.proto: p.M: map is one entry of a map, which is not supported"));
}

static struct gw_buf *importing(const char *name, const char *what)
{
    struct gw_buf *b = proto3(name, NULL);

    put(b, 3, what);
    return b;
}

TEST(test_pbset_says_what_is_wrong_with_a_file)
{
    static const char no_set[] =
        "cut short, or no descriptor set (protoc --include_imports --descriptor_set_out)";
    struct gw_buf *b = named("a.proto");

    put(b, 12, "editions");
    CHECK(says(set_of(b), "a.proto: syntax \"editions\" is not supported (proto3 and proto2 are)"));
    CHECK(says(buf(), no_set));
    b = buf();
    gw_buf_puts(b, "syntax = \"proto3\";\n");
    CHECK(says(b, no_set));
    CHECK(says(set_of(importing("a.proto", "b.proto")),
               "a.proto: imports b.proto, which is not in the set (protoc --include_imports)"));
    CHECK(says(set_of(importing("a.proto", "a.proto")),
               "a.proto: imports a.proto, which comes after it: in a circle, or not in order"));
    CHECK(says(with(set_of(importing("a.proto", "b.proto")), 1, importing("b.proto", "a.proto")),
               "a.proto: imports b.proto, which comes after it: in a circle, or not in order"));
    CHECK(says(with(set_of(proto3("a.proto", NULL)), 1, importing("b.proto", "a.proto")), ""));
    CHECK(says(set_of(named("")), "a file without a name, or one of more than 255 characters"));
    b = named("a.proto");
    put(b, 2, "p..q");
    CHECK(says(set_of(b), "a.proto: \"p..q\" is no name of a package"));
}

TEST(test_pbset_is_bounded)
{
    struct gw_buf *m = named("M");
    struct gw_str large = {m->p, GW_PBSET_MAX_BYTES + 1};
    struct gw_err err;
    char name[16];

    CHECK(!gw_pbset_parse(large, &err) && err.kind == GW_ERR_TOO_LARGE);
    for (unsigned i = 1; i < GW_PBSET_MAX_ITEMS / 2; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        with(m, 2, field(name, GW_PBSET_MAX_ITEMS - 2 * i, INT32, OPTIONAL));
    }
    CHECK(says(set_of(with(proto3("a.proto", NULL), 4, m)), ""));
    m = named("M");
    for (unsigned i = 0; i < GW_PBSET_MAX_ITEMS; i++)
        with(m, 8, named("o"));
    CHECK(says(set_of(with(proto3("a.proto", NULL), 4, m)),
               "a.proto: p.M: more than 255 oneofs (proto3's optional is one, too)"));
    m = named("E");
    for (unsigned i = 0; i < GW_PBSET_MAX_ITEMS; i++)
        with(m, 2, value("V", 1));
    CHECK(says(with_enum(m), "more than 200000 messages, fields and enum values"));
}

TEST(test_pbset_declares_to_a_bounded_depth)
{
    struct gw_buf *m = named("M");

    for (int i = 1; i < 32; i++)
        m = with(named("M"), 3, m);
    CHECK(says(set_of(proto3("a.proto", m)), ""));
    m = named("M");
    for (int i = 0; i < 2000; i++)
        m = with(named("M"), 3, m);
    CHECK(says(set_of(proto3("a.proto", m)),
               "a.proto: p.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.M.: "
               "messages are declared more than 32 deep"));
}

static struct gw_pbset *golden_set(struct gw_arena *mem, const char *name)
{
    struct gw_err err;
    struct gw_pbset *s = gw_pbset_parse(golden_file(mem, name), &err);

    if (!s)
        fprintf(stderr, "%s: %s\n", name, err.msg);
    CHECK(s);
    return s;
}

static int same_name(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* What a set says of a compiled message is what the build says of it. */
static int same_message(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    CHECK(a->n_fields == b->n_fields && gw_schema_of(a)->known == gw_schema_of(b)->known);
    for (unsigned i = 0; i < a->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &a->fields[i], *g = &b->fields[i];

        CHECK(f->id == g->id && f->label == g->label && f->type == g->type);
        CHECK(same_name(f->name, g->name) && f->flags == g->flags);
        CHECK(gw_pb_kind(a, f) == gw_pb_kind(b, g));
        CHECK(same_name(gw_pb_json_name(a, f), gw_pb_json_name(b, g)));
        CHECK(same_name(gw_pb_oneof(a, f), gw_pb_oneof(b, g)));
        CHECK(a->fields_sorted_by_name[i] == b->fields_sorted_by_name[i]);
        CHECK(gw_schema_declared(gw_schema_of(a), i) == gw_schema_declared(gw_schema_of(b), i));
        CHECK(protobuf_c_message_descriptor_get_field(a, f->id) == f);
    }
    return 1;
}

/* All messages that own holds, each once; what the build has of well-known types is in both. */
enum { SEEN_MAX = 200 };
static unsigned compare_all(const ProtobufCMessageDescriptor *own,
                            const ProtobufCMessageDescriptor *d,
                            const ProtobufCMessageDescriptor **seen, unsigned n)
{
    if (own == d)
        return n;
    for (unsigned i = 0; i < n; i++)
        if (seen[i] == d)
            return n;
    CHECK(n < SEEN_MAX && same_message(own, d));
    seen[n++] = d;
    for (unsigned i = 0; i < d->n_fields; i++)
        if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            n = compare_all(own->fields[i].descriptor, d->fields[i].descriptor, seen, n);
    return n;
}

/* The order in which Flyte's own schema declares fields, too, which Go's libraries go by. */
TEST(test_pbset_says_of_flytes_messages_what_the_build_says)
{
    const ProtobufCMessageDescriptor *seen[SEEN_MAX];
    struct gw_arena *mem = gw_arena_new();
    struct gw_pbset *s = golden_set(mem, "flyteidl-events.desc");
    unsigned n = 0, in_another_order = 0;

    for (int kind = GW_WORKFLOW; kind <= GW_TASK; kind++) {
        const ProtobufCMessageDescriptor *d = gw_flyte_descriptor((enum gw_kind)kind);
        const ProtobufCMessageDescriptor *own = gw_pbset_message(s, gw_str_of(d->name));

        CHECK(own && own != d);
        n = compare_all(own, d, seen, n);
    }
    for (unsigned i = 0; i < n; i++)
        in_another_order += gw_schema_of(seen[i])->declared != NULL;
    CHECK(n > 80 && in_another_order > 3);
    CHECK(!gw_pbset_message(s, GW_STR("flyteidl.admin.Nothing")));
    CHECK(!gw_pbset_message(s, GW_STR("")));
    gw_pbset_free(s);
    gw_arena_free(mem);
}

TEST(test_pbset_reads_what_the_compiled_schema_reads)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_pbset *s = golden_set(mem, "flyteidl.desc");
    struct gw_str stream = golden_file(mem, golden_streams[1]), line;
    size_t n = 0;

    for (; (line = golden_line(&stream)).p; n++) {
        enum gw_kind kind = golden_kind(mem, line);
        const ProtobufCMessageDescriptor *d = gw_flyte_descriptor(kind);
        struct gw_buf ours, theirs;
        struct gw_flyte_request r;
        ProtobufCMessage *m;
        struct gw_err err;

        CHECK(!gw_flyte_decode_json(mem, kind, golden_member(line, "request"), &r, &err));
        m = gw_pb_decode(mem, gw_pbset_message(s, gw_str_of(d->name)), r.bytes, &err);
        CHECK(m && gw_str_eq(gw_flyte_encode(mem, m), r.bytes));
        gw_buf_init(&ours, 1 << 20, mem);
        gw_buf_init(&theirs, 1 << 20, mem);
        CHECK(!gw_pb_json_put(&ours, m, &err) && !gw_pb_json_put(&theirs, r.msg, &err));
        CHECK(gw_str_eq(gw_buf_str(&ours), gw_buf_str(&theirs)));
    }
    CHECK(n > 20);
    gw_pbset_free(s);
    gw_arena_free(mem);
}

TEST(test_pbset_survives_a_set_that_is_cut_or_changed_anywhere)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str all = golden_file(mem, "flyteidl-events.desc");
    struct gw_err err;
    size_t refused = 0, tries = 0;

    for (size_t at = 1; at < all.len; at += 211, tries++) {
        char *copy = malloc(at);

        memcpy(copy, all.p, at);
        copy[at / 2] ^= 0x55;
        for (size_t len = at; len > 0 && len + 2 > at; len--) {
            struct gw_pbset *s = gw_pbset_parse((struct gw_str){copy, len}, &err);

            refused += !s;
            gw_pbset_free(s);
        }
        free(copy);
    }
    CHECK(refused > tries);
    gw_arena_free(mem);
}

TEST(test_pbset_decodes_within_a_bound_of_memory)
{
    enum { MEMORY = 1 << 20, ITEMS = 1 << 20 };
    static const char zeros[ITEMS];
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf *set = one(field("a", 1, 3, REPEATED));
    struct gw_err err = {.kind = 0};
    struct gw_pbset *s = gw_pbset_parse(text_of(set), &err);
    struct gw_buf bytes;

    gw_buf_init(&bytes, 2 * ITEMS, NULL);
    gw_pbwire_put_bytes(&bytes, 1, (struct gw_str){zeros, ITEMS});
    CHECK(!gw_pb_decode_within(mem, gw_pbset_at(s, 0), text_of(&bytes), 0, MEMORY, &err));
    CHECK(err.kind == GW_ERR_TOO_LARGE && gw_arena_size(mem) < 3 * MEMORY);
    gw_buf_free(&bytes);
    gw_buf_free(set);
    free(set);
    gw_pbset_free(s);
    gw_arena_free(mem);
}

TEST(test_pbset_makes_the_json_name_that_a_set_leaves_out)
{
    struct gw_buf *set = one(field("a_snake_2x_Case", 1, INT32, OPTIONAL));
    struct gw_err err;
    struct gw_pbset *s = gw_pbset_parse(text_of(set), &err);

    CHECK(s &&
          same_name(gw_pb_json_name(gw_pbset_at(s, 0), gw_pbset_at(s, 0)->fields), "aSnake2xCase"));
    gw_buf_free(set);
    free(set);
    gw_pbset_free(s);
}
