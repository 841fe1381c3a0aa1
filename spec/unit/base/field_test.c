#include "base/field.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct inner {
    const char *name;
    int64_t bytes;
};

struct variant {
    const char *path, *password;
    struct gw_strs brokers;
};

struct conf {
    const char *text, *where;
    int flag, choice, open_choice, weak;
    int64_t n, size, ms;
    struct gw_strs list, paths;
    struct gw_pairs pairs;
    const struct gw_yaml *free_form;
    struct inner nested, *maybe;
    struct gw_list items;
    struct gw_union out;
};

static const char *const choices[] = {"fsync", "os", NULL};

static const struct gw_field inner_fields[] = {
    {"name", GW_F_STR, offsetof(struct inner, name), .required = 1},
    {"bytes", GW_F_SIZE, offsetof(struct inner, bytes), .def = "4KiB"},
    {0}};

static const struct gw_field variant_fields[] = {
    {"path", GW_F_STR, offsetof(struct variant, path), .required = 1, .path = 1, .input = 1},
    {"password", GW_F_STR, offsetof(struct variant, password), .secret = 1},
    {"brokers", GW_F_STRS, offsetof(struct variant, brokers), .comma = 1},
    {0}};
static const struct gw_field named_fields[] = {
    {"names", GW_F_STRS, offsetof(struct variant, brokers), .required = 1, .comma = 1}, {0}};
static const struct gw_field no_fields[] = {{0}};

static const struct gw_variant variants[] = {
    {"file", variant_fields, sizeof(struct variant), "a file"},
    {"null", no_fields, 1, NULL},
    {"named", named_fields, sizeof(struct variant), "a list that has to name something"}};

static const struct gw_variant *variant(size_t i)
{
    return i < sizeof(variants) / sizeof(*variants) ? &variants[i] : NULL;
}

#define AT(member) offsetof(struct conf, member)
static const struct gw_field fields[] = {
    {"text", GW_F_STR, AT(text), .def = "hello", .help = "Some \"text\"."},
    {"where", GW_F_STR, AT(where), .path = 1},
    {"flag", GW_F_BOOL, AT(flag), .def = "true"},
    {"choice", GW_F_CHOICE, AT(choice), .def = "os", .choices = choices},
    {"open_choice", GW_F_CHOICE, AT(open_choice), .choices = choices},
    {"weak", GW_F_BOOL, AT(weak), .weak = 1},
    {"n", GW_F_INT, AT(n), .def = "5", .min = 1, .max = 9},
    {"size", GW_F_SIZE, AT(size), .def = "1GiB", .min = 1024, .max = 1LL << 40},
    {"timeout", GW_F_DURATION, AT(ms), .def = "30s", .max = 3600000},
    {"list", GW_F_STRS, AT(list), .alias = "all_of"},
    {"paths", GW_F_STRS, AT(paths), .path = 1},
    {"pairs", GW_F_MAP, AT(pairs), .def = NULL},
    {"free", GW_F_VALUE, AT(free_form), .def = NULL},
    {"nested", GW_F_TABLE, AT(nested), .fields = inner_fields, .size = sizeof(struct inner)},
    {"maybe", GW_F_TABLE, AT(maybe), .fields = inner_fields, .size = sizeof(struct inner),
     .pointer = 1},
    {"items", GW_F_TABLES, AT(items), .fields = inner_fields, .size = sizeof(struct inner)},
    {"out", GW_F_UNION, AT(out), .variant = variant},
    {0}};

static struct gw_problems p;

/* Reads text as dir/f.yaml. */
static struct conf read_text(const char *text)
{
    struct conf c = {0};
    struct gw_yaml *y;

    p = (struct gw_problems){.mem = gw_arena_new()};
    y = gw_yaml_parse("dir/f.yaml", gw_str_of(text), 1, 1, &p);
    CHECK(y);
    gw_fields_read(fields, y, &c, &p, "");
    return c;
}

static struct conf read_well(const char *text)
{
    struct conf c = read_text(text);

    for (size_t i = 0; i < p.n; i++)
        fprintf(stderr, "%s\n", p.items[i].text);
    CHECK(p.n == 0);
    return c;
}

static void check_problem(const char *text, int line, int column, const char *what)
{
    read_text(text);
    if (p.n != 1 || p.items[0].line != line || p.items[0].column != column ||
        strcmp(p.items[0].text, what) != 0)
        for (size_t i = 0; i < p.n; i++)
            fprintf(stderr, "%d:%d: %s\n", p.items[i].line, p.items[i].column, p.items[i].text);
    CHECK(p.n == 1);
    CHECK(p.items[0].line == line && p.items[0].column == column);
    CHECK(!strcmp(p.items[0].text, what));
    gw_arena_free(p.mem);
}

TEST(test_field_defaults_stand_for_what_is_absent)
{
    struct conf c = read_well("text: \nnested:\n  name: x\n");

    CHECK(!strcmp(c.text, "hello") && !c.where && c.flag == 1 && c.choice == 1);
    CHECK(c.n == 5 && c.size == 1 << 30 && c.ms == 30000);
    CHECK(c.list.n == 0 && c.pairs.n == 0 && !c.free_form && !c.maybe && c.items.n == 0);
    CHECK(c.nested.bytes == 4096 && !c.out.type);
    gw_arena_free(p.mem);
}

static int open_choice(const char *text)
{
    const int choice = read_well(text).open_choice;

    gw_arena_free(p.mem);
    return choice;
}

TEST(test_field_choice_without_default_tells_absent_from_the_first)
{
    CHECK(open_choice("nested: {name: x}\n") == 0);
    CHECK(open_choice("nested: {name: x}\nopen_choice:\n") == 0);
    CHECK(open_choice("nested: {name: x}\nopen_choice: fsync\n") == 1);
    CHECK(open_choice("nested: {name: x}\nopen_choice: os\n") == 2);
}

TEST(test_field_reads_every_type)
{
    struct conf c =
        read_well("TEXT: 3.7\nwhere: a/b\nflag: false\nchoice: fsync\nweak: '1'\nn: 9\n"
                  "size: 10MB\ntimeout: 1h\nall_of: [a, b]\npaths: [x, /y, '-']\n"
                  "pairs: {b: 1, a: x}\nfree: {q: [1]}\nnested: {name: n, bytes: 64KiB}\n"
                  "maybe: {name: m}\nitems: [{name: i}, {name: k, bytes: 1}]\n"
                  "out: {type: file, path: p, brokers: ' a:1,b:2 '}\n");
    const struct inner *items = c.items.items;
    const struct variant *v = c.out.conf;

    CHECK(!strcmp(c.text, "3.7") && !strcmp(c.where, "dir/a/b") && c.flag == 0 && c.choice == 0);
    CHECK(c.weak == 1 && c.n == 9 && c.size == 10000000 && c.ms == 3600000);
    CHECK(c.list.n == 2 && !strcmp(c.list.items[1], "b"));
    CHECK(!strcmp(c.paths.items[0], "dir/x") && !strcmp(c.paths.items[1], "/y"));
    CHECK(!strcmp(c.paths.items[2], "-"));
    CHECK(c.pairs.n == 2 && !strcmp(c.pairs.items[0].key, "b"));
    CHECK(!strcmp(c.pairs.items[0].value, "1") && gw_yaml_get(c.free_form, "q")->n == 1);
    CHECK(c.nested.bytes == 65536 && !strcmp(c.maybe->name, "m") && c.maybe->bytes == 4096);
    CHECK(c.items.n == 2 && items[0].bytes == 4096 && items[1].bytes == 1);
    CHECK(!strcmp(c.out.type, "file") && !strcmp(v->path, "dir/p"));
    CHECK(v->brokers.n == 2 && !strcmp(v->brokers.items[0], "a:1"));
    gw_arena_free(p.mem);
}

#define OK "nested: {name: x}\n"

TEST(test_field_takes_every_type_from_the_environment)
{
    static const char *const names[] = {"T",    "1", "F",  "true", "C", "os", "N", "7", "S",
                                        "2MiB", "D", "1m", "L",    "a", "P",  "p", "B", "x:1,y:2"};
    const struct variant *v;
    struct conf c;

    for (size_t i = 0; i < 18; i += 2) {
        char name[10];

        snprintf(name, sizeof(name), "GW_%s", names[i]);
        setenv(name, names[i + 1], 1);
    }
    unsetenv("GW_NO");
    c = read_well("text: ${GW_T}\nflag: ${GW_F}\nchoice: ${GW_C}\nn: ${GW_N}\nsize: ${GW_S}\n"
                  "timeout: ${GW_NO:-30s}\nlist: [\"${GW_L}\", '${GW_NO:-b}']\npaths: ${GW_P}\n"
                  "pairs: {k: \"x${GW_N}y\"}\nfree: ${GW_F}\nnested: {name: \"$${GW_T}\"}\n"
                  "out: {type: \"${GW_NO:-file}\", path: \"${GW_P}\", brokers: \"${GW_B}\"}\n");
    v = c.out.conf;
    CHECK(!strcmp(c.text, "1") && c.flag == 1 && c.choice == 1 && c.n == 7 && c.size == 2 << 20);
    CHECK(c.ms == 30000 && c.list.n == 2 && !strcmp(c.list.items[0], "a"));
    CHECK(!strcmp(c.list.items[1], "b") && !strcmp(c.paths.items[0], "dir/p"));
    CHECK(!strcmp(c.pairs.items[0].value, "x7y") && !strcmp(c.nested.name, "${GW_T}"));
    CHECK(!strcmp(v->path, "dir/p") && v->brokers.n == 2 && !strcmp(v->brokers.items[1], "y:2"));
    gw_arena_free(p.mem);
    check_problem(OK "n: ${GW_T}0\n", 2, 4, "n: 10 is above 9");
    check_problem(OK "n: ${GW_NONE}\n", 2, 4,
                  "${GW_NONE}: this environment variable is not set, and there is no default");
}

TEST(test_field_null_variant_needs_no_quotes)
{
    struct conf c = read_well("nested: {name: x}\nout: {type: null}\n");

    CHECK(!strcmp(c.out.type, "null"));
    gw_arena_free(p.mem);
}

TEST(test_field_problems_say_what_and_where)
{
    check_problem(OK "txt: 1\n", 2, 1, "unknown key \"txt\" (did you mean \"text\"?)");
    check_problem(OK "zzz: 1\n", 2, 1, "unknown key \"zzz\"");
    check_problem(OK "n: x\n", 2, 4, "n: expected a whole number, not \"x\"");
    check_problem(OK "n: '5'\n", 2, 4,
                  "n: expected a whole number, not the text \"5\" (take the quotes away; "
                  "outside of { } and [ ] a variable needs none)");
    check_problem(OK "n: 10\n", 2, 4, "n: 10 is above 9");
    check_problem(OK "n: 0\n", 2, 4, "n: 0 is below 1");
    check_problem(OK "timeout: 2h\n", 2, 10, "timeout: 2h is above 1h");
    check_problem(OK "timeout: 5\n", 2, 10,
                  "timeout: expected a duration as 250ms, 30s, 5m or 24h, not \"5\"");
    check_problem(OK "size: 1XB\n", 2, 7,
                  "size: expected a size as 64KiB, 1GiB or 4096, not \"1XB\"");
    check_problem(OK "size: 1\n", 2, 7, "size: 1 is below 1KiB");
    check_problem(OK "flag: yes\n", 2, 7, "flag: expected true or false, not \"yes\"");
    check_problem(OK "choice: fsnc\n", 2, 9,
                  "choice: \"fsnc\" is none of fsync, os (did you mean \"fsync\"?)");
    check_problem(OK "text: [a]\n", 2, 7, "text: expected text, not a list");
    check_problem(OK "list: {a: b}\n", 2, 7, "list: expected a list, not a mapping");
    check_problem(OK "Text: a\ntext: b\n", 3, 1, "text: stands here twice");
    check_problem(OK "items: [{name: a, nme: b}]\n", 2, 19,
                  "items.a: unknown key \"nme\" (did you mean \"name\"?)");
    check_problem(OK "out: {type: file, pth: y}\n", 2, 19,
                  "out: unknown key \"pth\" (did you mean \"path\"?)");
    check_problem(OK "items: [{bytes: 1}]\n", 2, 9, "items[0].name is required");
    check_problem("n: 1\n", 1, 1, "nested.name is required");
    check_problem("nested:\n", 1, 8, "nested.name is required");
    check_problem(OK "maybe: 5\n", 2, 8, "maybe: expected a mapping, not \"5\"");
    check_problem(OK "out: {path: x}\n", 2, 6, "out: type is required, one of file, null, named");
    check_problem(OK "out: {type: fil}\n", 2, 13,
                  "out.type: \"fil\" is none of file, null, named (did you mean \"file\"?)");
    check_problem(OK "out: {type: file}\n", 2, 6, "out.path is required");
    check_problem(OK "out: {type: file, path: x, pth: y}\n", 2, 28,
                  "out: unknown key \"pth\" (did you mean \"path\"?)");
    check_problem(OK "out: {type: named}\n", 2, 6, "out.names is required");
    check_problem(OK "out: {type: named, names: []}\n", 2, 27, "out.names: names nothing");
    check_problem(OK "out: {type: named, names: ' , '}\n", 2, 27, "out.names: names nothing");
    check_problem(OK "out: {type: named, names: [a, '']}\n", 2, 31,
                  "out.names: an item names nothing");
    check_problem("- 1\n", 1, 1, "the file: expected a mapping, not a list");
}

TEST(test_field_reports_every_problem)
{
    read_text("n: 0\nsize: x\nout: {type: q}\nfoo: 1\n"); /* and nested.name is missing */
    CHECK(p.n == 5 && p.errors == 5);
    gw_arena_free(p.mem);
    unsetenv("GW_NO");
    read_text(OK "n: ${GW_NO}\ntext: a\ntext: b\nlist: {}\n");
    CHECK(p.n == 3 && strstr(p.items[0].text, "GW_NO") && strstr(p.items[1].text, "duplicate"));
    CHECK(strstr(p.items[2].text, "list: "));
    gw_arena_free(p.mem);
}

TEST(test_field_secret_comes_from_a_file_and_is_not_shown)
{
    FILE *f = fopen("secret", "w");
    const struct variant *v;
    struct conf c;

    CHECK(f && fputs("s3cret\n", f) >= 0 && !fclose(f));
    c = read_text("nested: {name: x}\nout: {type: file, path: p, password_file: ../secret}\n");
    CHECK(p.n == 1 && strstr(p.items[0].text, "out.password_file: ../secret: No such file"));
    gw_arena_free(p.mem);
    c = (struct conf){0};
    p = (struct gw_problems){.mem = gw_arena_new()};
    gw_fields_read(fields,
                   gw_yaml_parse("f.yaml",
                                 GW_STR("nested: {name: x}\nout: {type: file, path: p, "
                                        "password_file: secret}\n"),
                                 1, 1, &p),
                   &c, &p, "");
    v = c.out.conf;
    CHECK(p.n == 0 && !strcmp(v->password, "s3cret"));
    gw_arena_free(p.mem);
    read_text("nested: {name: x}\nout: {type: file, path: p, password: [s3cret]}\n");
    CHECK(p.n == 1 && !strstr(p.items[0].text, "s3cret"));
    gw_arena_free(p.mem);
}

static void check_secret_file(const char *what)
{
    struct gw_arena *mem = gw_arena_new();

    CHECK(symlink(".", "dir") == 0 || errno == EEXIST);
    check_problem(OK "out: {type: file, path: p, password_file: secret}\n", 2, 43,
                  gw_arena_printf(mem, "out.password_file: secret: %s", what).p);
    gw_arena_free(mem);
}

static void write_secret(const char *text, size_t len)
{
    FILE *f = fopen("secret", "w");

    CHECK(f && fwrite(text, 1, len, f) == len && !fclose(f));
}

TEST(test_field_secret_file_has_to_hold_a_secret)
{
    static char large[65537];

    check_secret_file("No such file or directory");
    write_secret("\n\r\n", 3);
    check_secret_file("the file is empty");
    write_secret("a\0b", 3);
    check_secret_file("not a text of up to 64 KiB");
    memset(large, 'x', sizeof(large));
    write_secret(large, sizeof(large));
    check_secret_file("not a text of up to 64 KiB");
    CHECK(!unlink("secret") && !mkfifo("secret", 0600)); /* nobody ever writes to it */
    check_secret_file("not a regular file");
    CHECK(!unlink("secret") && !mkdir("secret", 0700));
    check_secret_file("not a regular file");
}

static void add_file(void *ctx, const struct gw_field *f, const struct gw_yaml *at,
                     const char *path)
{
    char *all = ctx;

    snprintf(all + strlen(all), 200, "%s=%s:%d ", f->name, path, at->column);
}

TEST(test_field_files_are_those_whose_contents_count)
{
    char all[1000] = "";
    struct gw_yaml *y;

    p = (struct gw_problems){.mem = gw_arena_new()};
    y = gw_yaml_parse("dir/f.yaml",
                      GW_STR("where: w\npaths: [x]\nOUT: {type: file, path: c.pem, Password_File: "
                             "/s, password: a}\nmaybe: 5\n"),
                      1, 1, &p);
    gw_fields_files(fields, y, add_file, all);
    CHECK(!strcmp(all, "path=dir/c.pem:25 password=/s:47 "));
    all[0] = '\0';
    y = gw_yaml_parse("dir/f.yaml", GW_STR("out: {path: c, type: 'null'}\nitems: 4\n"), 1, 1, &p);
    gw_fields_files(fields, y, add_file, all);
    CHECK(!*all && p.n == 0);
    gw_arena_free(p.mem);
}

/* Both forms of one secret contradict each other. */
TEST(test_field_secret_is_given_once)
{
    check_problem(OK "out: {type: file, path: p, password: a, password_file: /dev/null}\n", 2, 41,
                  "out.password_file: stands here twice: itself, or as a file");
}

TEST(test_field_schema_is_json_and_names_every_key)
{
    struct gw_json j;
    struct gw_buf b;
    size_t depth = 0;

    gw_buf_init(&b, 1 << 20, NULL);
    gw_fields_schema(fields, &b);
    CHECK(!b.failed);
    gw_json_init(&j, gw_buf_str(&b), 100);
    while (gw_json_next(&j) > GW_JSON_END)
        depth = j.depth > depth ? j.depth : depth;
    CHECK(j.token == GW_JSON_END && depth > 3);
    gw_buf_putc(&b, '\0');
    for (const struct gw_field *f = fields; f->name; f++) {
        char key[40];

        snprintf(key, sizeof(key), "\"%s\":{", f->name);
        CHECK(strstr(b.p, key));
    }
    CHECK(strstr(b.p, "\"password_file\":{") && strstr(b.p, "\"all_of\":{"));
    CHECK(strstr(b.p, "\"enum\":[\"fsync\",\"os\""));
    gw_buf_free(&b);
}

TEST(test_field_same_compares_every_type_by_value)
{
    static const char all[] =
        "text: a\nwhere: w\nflag: false\nchoice: os\nweak: '1'\nn: 3\nsize: 10MB\ntimeout: 1h\n"
        "list: [a, b]\npaths: [x]\npairs: {b: 1}\nfree: {q: [1, x]}\nnested: {name: n}\n"
        "maybe: {name: m}\nitems: [{name: i}]\nout: {type: file, path: p, brokers: [a]}\n";
    static const char *const changes[][2] = {
        {"text: a", "text: b"},
        {"where: w", "where: v"},
        {"flag: false", "flag: true"},
        {"choice: os", "choice: fsync"},
        {"weak: '1'", "weak: 0"},
        {"n: 3", "n: 4"},
        {"10MB", "11MB"},
        {"1h", "59m"},
        {"list: [a", "list: [b"},
        {"list: [a, b]", "list: [a]"},
        {"paths: [x", "paths: [y"},
        {"pairs: {b: 1", "pairs: {b: 2"},
        {"{b: 1}", "{c: 1}"},
        {"{q: [1, x]}", "{q: ['1', x]}"},
        {"{q: [1, x]}", "{q: [1]}"},
        {"{q: [1, x]}", "{r: [1, x]}"},
        {"name: n", "name: o"},
        {"maybe: {name: m}", "# maybe"},
        {"name: i", "name: j"},
        {"[{name: i}]", "[{name: i}, {name: i}]"},
        {"path: p", "path: r"},
        {"type: file, path: p, brokers: [a]", "type: 'null'"},
    };
    struct conf a = read_well(all), b;
    struct gw_arena *mem = p.mem;
    char text[1000];

    snprintf(text, sizeof(text), "# other lines\n%s", all);
    b = read_well(text);

    CHECK(gw_fields_same(fields, &a, &b));
    gw_arena_free(p.mem);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *at = strstr(all, changes[i][0]);

        CHECK(at);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - all), all, changes[i][1],
                 at + strlen(changes[i][0]));
        b = read_well(text);
        CHECK(!gw_fields_same(fields, &a, &b));
        gw_arena_free(p.mem);
    }
    gw_arena_free(mem);
}
