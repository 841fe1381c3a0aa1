#include "cmd/ready.h"

#include "base/err.h"
#include "test.h"

#include <dirent.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TEST(test_ready_file_holds_what_listens_and_leaves_nothing_beside_it)
{
    char text[500] = {0}, want[500];
    struct gw_err err;
    struct dirent *e;
    int files = 0;
    FILE *f;
    DIR *d;

    CHECK(gw_ready_file("ready.json", "127.0.0.1:1", NULL, "[::1]:2", &err) == 0);
    f = fopen("ready.json", "r");
    CHECK(f && fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    snprintf(want, sizeof(want), "{\"pid\":%ld,\"grpc\":\"127.0.0.1:1\",\"admin\":\"[::1]:2\"}\n",
             (long)getpid());
    CHECK(!strcmp(text, want));
    d = opendir(".");
    while ((e = readdir(d)))
        files += e->d_name[0] != '.';
    closedir(d);
    CHECK(files == 1);
}

TEST(test_ready_file_that_cannot_be_written_is_an_error_with_its_path)
{
    struct gw_err err;

    CHECK(gw_ready_file("no/such/ready.json", NULL, NULL, NULL, &err) == -1);
    CHECK(strstr(err.msg, "no/such/ready.json"));
}

TEST(test_ready_notifies_systemd_by_path_and_by_abstract_name)
{
    static const char *const names[] = {"./notify", "@moongate-ready-test"};

    for (int i = 0; i < 2; i++) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        char text[100] = {0}, path[200];
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

        CHECK(getcwd(path, 100));
        snprintf(path + strlen(path), 100, "/notify");
        if (i == 1)
            snprintf(path, sizeof(path), "%s-%ld", names[i], (long)getpid());
        memcpy(a.sun_path, path, strlen(path));
        if (i == 1)
            a.sun_path[0] = '\0';
        CHECK(!bind(fd, (struct sockaddr *)&a,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))));
        setenv("NOTIFY_SOCKET", path, 1);
        gw_notify("READY=1");
        CHECK(recv(fd, text, sizeof(text), MSG_DONTWAIT) == 7 && !strcmp(text, "READY=1"));
        close(fd);
    }
    setenv("NOTIFY_SOCKET", "nonsense", 1);
    gw_notify("READY=1");
}
