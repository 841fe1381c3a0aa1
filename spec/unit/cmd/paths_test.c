#include "cmd/paths.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char here[4096];

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static struct gw_paths *paths_of(const char *path)
{
    struct gw_paths *p = gw_paths_new();

    CHECK(getcwd(here, sizeof(here)));
    gw_paths_add(p, path);
    gw_paths_sort(p);
    return p;
}

static int has_spot(const struct gw_paths *p, const char *folder, const char *name)
{
    char whole[5000];

    snprintf(whole, sizeof(whole), "%s%s%s", *folder == '/' ? "" : here,
             *folder && *folder != '/' ? "/" : "", folder);
    for (size_t i = 0; i < p->n_spots; i++)
        if (!strcmp(p->spots[i].folder, whole) && !strcmp(p->spots[i].name, name))
            return 1;
    return 0;
}

TEST(test_paths_of_a_file_are_its_folder_and_itself)
{
    struct gw_paths *p;

    CHECK(!mkdir("d", 0700));
    write_file("d/a.lua", "x");
    p = paths_of("./d/../d/a.lua");
    CHECK(p->n_spots == 1 && has_spot(p, "d", "a.lua"));
    CHECK(p->n_files == 1 && strstr(p->files[0], "/d/a.lua"));
    gw_paths_free(p);
    p = paths_of("d/none.lua");
    CHECK(p->n_spots == 1 && has_spot(p, "d", "none.lua") && p->n_files == 0);
    gw_paths_free(p);
    p = paths_of("d/e/f/none.lua"); /* the folder is to come first */
    CHECK(p->n_spots == 1 && has_spot(p, "d", "e") && p->n_files == 0);
    gw_paths_free(p);
    p = paths_of("/none");
    CHECK(p->n_spots == 1 && has_spot(p, "/", "none"));
    gw_paths_free(p);
}

TEST(test_paths_follow_every_link_on_the_way)
{
    struct gw_paths *p;

    CHECK(!mkdir("map", 0700) && !mkdir("map/..1", 0700));
    write_file("map/..1/a.lua", "x");
    CHECK(!symlink("..1", "map/..data") && !symlink("..data/a.lua", "map/a.lua"));
    CHECK(!symlink("map", "current"));
    p = paths_of("current/a.lua");
    CHECK(p->n_spots == 4 && has_spot(p, "", "current") && has_spot(p, "map", "a.lua") &&
          has_spot(p, "map", "..data") && has_spot(p, "map/..1", "a.lua"));
    CHECK(p->n_files == 1 && strstr(p->files[0], "/map/..1/a.lua"));
    gw_paths_free(p);
    CHECK(!symlink("loop", "loop") && !symlink("/nowhere/at/all", "away"));
    p = paths_of("loop/a.lua");
    CHECK(p->n_spots == 1 && has_spot(p, "", "loop") && p->n_files == 0);
    gw_paths_free(p);
    p = paths_of("away");
    CHECK(p->n_spots == 2 && has_spot(p, "", "away") && has_spot(p, "/", "nowhere"));
    gw_paths_free(p);
}

TEST(test_paths_are_a_set)
{
    struct gw_paths *p = gw_paths_new(), *q = gw_paths_new();

    write_file("a", "x");
    write_file("b", "x");
    gw_paths_add(p, "a");
    gw_paths_add(p, "b");
    gw_paths_add(p, "a");
    gw_paths_sort(p);
    gw_paths_add(q, "b");
    gw_paths_sort(q);
    CHECK(p->n_spots == 2 && p->n_files == 2 && p->n_asked == 2 && !gw_paths_same(p, q));
    gw_paths_add(q, "a");
    gw_paths_sort(q);
    CHECK(gw_paths_same(p, q));
    gw_paths_free(p);
    gw_paths_free(q);
    gw_paths_free(NULL);
}

TEST(test_paths_print_is_another_when_something_changed)
{
    struct gw_paths *p = gw_paths_new();
    uint64_t before;

    gw_paths_add(p, "a");
    gw_paths_add(p, "b");
    gw_paths_sort(p);
    before = gw_paths_print(p);
    CHECK(before == gw_paths_print(p));
    write_file("a", "x");
    CHECK(before != gw_paths_print(p));
    before = gw_paths_print(p);
    CHECK(!symlink("a", "b") && before != gw_paths_print(p));
    before = gw_paths_print(p);
    write_file("c", "y");
    CHECK(!rename("c", "a") && before != gw_paths_print(p));
    before = gw_paths_print(p);
    CHECK(!unlink("a") && before != gw_paths_print(p));
    gw_paths_free(p);
}
