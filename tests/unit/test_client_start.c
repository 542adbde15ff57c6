/* Finding an instance, and starting a private daemon: once, however many ask.
 * The daemon here is this program itself, called with --private --home DIR. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"

#define STARTERS 50

static char dir[] = "/tmp/hf-start-XXXXXX";
static char home[64];

/* --- the daemon ----------------------------------------------------------- */

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n - 3; /* ".", "..", and the one that looks */
}

/* It reports what it was given in home/report, one line a start. */
static void report(void)
{
	FILE *f = fopen("report", "a");
	struct sigaction pipe;
	sigset_t mask;

	(void)sigaction(SIGPIPE, NULL, &pipe);
	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	if (f == NULL)
		exit(1);
	(void)fprintf(f, "fds %u sigpipe %s usr1 %s leader %s\n", open_descriptors() - 1,
		pipe.sa_handler == SIG_DFL ? "default" : "ignored",
		sigismember(&mask, SIGUSR1) ? "blocked" : "open",
		getsid(0) == getpid() ? "yes" : "no");
	(void)fclose(f);
}

/* answer sends back what was asked, as any answer does. */
static void answer(int fd)
{
	uint8_t head[WIRE_HEAD];

	if (read(fd, head, sizeof(head)) == (ssize_t)sizeof(head))
		(void)!write(fd, head, sizeof(head));
	(void)close(fd);
}

static int daemon_main(const char *at)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = INSTANCE_SOCKET };
	bool dies_later;
	int fd;

	if (chdir(at) != 0 || access("broken", F_OK) == 0)
		return 1;
	dies_later = access("dying", F_OK) == 0;
	report();
	(void)usleep(100000); /* slow to start: the others have time to be many */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 128) != 0)
		return 1;
	if (dies_later)
		return 1;
	(void)alarm(3);
	for (;;)
		answer(accept(fd, NULL, NULL));
}

/* --- tests ---------------------------------------------------------------- */

static struct instance private_instance(void)
{
	return (struct instance){ .dir = home, .home = home, .private_ = true };
}

static void starter(void)
{
	struct instance i = private_instance();
	sigset_t usr1;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &usr1, NULL);
	if (dup(STDERR_FILENO) < 0) /* one that is not to be inherited */
		_exit(2);
	_exit(client_start(&i, 10000) == HF_OK ? 0 : 1);
}

static void fifty_starters_make_one_clean_daemon(void **state)
{
	char line[128], path[128];
	int status;
	FILE *f;

	(void)state;
	for (int i = 0; i < STARTERS; i++)
		if (fork() == 0)
			starter();
	for (int i = 0; i < STARTERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	(void)snprintf(path, sizeof(path), "%s/report", home);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	/* it leads no session, so that it never gets a terminal */
	assert_string_equal(line, "fds 3 sigpipe default usr1 open leader no\n");
	assert_null(fgets(line, sizeof(line), f));
	(void)fclose(f);
}

static void the_home_is_for_its_owner_only(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(home, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void starting_leaves_no_child_behind(void **state)
{
	struct instance i = private_instance();

	(void)state;
	assert_int_equal(client_start(&i, 1000), HF_OK);
	assert_int_equal(waitpid(-1, NULL, __WALL), -1);
}

static void a_missing_program_is_an_error_at_once(void **state)
{
	char elsewhere[80];
	struct instance i = { .dir = elsewhere, .home = elsewhere, .private_ = true };

	(void)state;
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/b", dir);
	assert_int_equal(setenv("HOLDFASTD", "/nonexistent/holdfastd", 1), 0);
	assert_int_equal(client_start(&i, 60000), HF_E_NO_DAEMON);
}

static void a_daemon_that_dies_is_an_error_at_once(void **state)
{
	char elsewhere[80], broken[96];
	struct instance i = { .dir = elsewhere, .home = elsewhere, .private_ = true };

	(void)state;
	assert_int_equal(setenv("HOLDFASTD", "/proc/self/exe", 1), 0);
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/b", dir);
	(void)snprintf(broken, sizeof(broken), "%s/broken", elsewhere);
	assert_int_equal(creat(broken, 0600) < 0, 0);
	assert_int_equal(client_start(&i, 24 * 3600 * 1000), HF_E_NO_DAEMON); /* the test has a minute */
}

static void one_that_dies_behind_its_socket_too(void **state)
{
	char elsewhere[80], dying[96];
	struct instance i = { .dir = elsewhere, .home = elsewhere, .private_ = true };

	(void)state;
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/c", dir);
	(void)snprintf(dying, sizeof(dying), "%s/dying", elsewhere);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(creat(dying, 0600) < 0, 0);
	assert_int_equal(client_start(&i, 24 * 3600 * 1000), HF_E_NO_DAEMON);
}

static void holdfast_home_names_a_private_instance(void **state)
{
	struct instance i;

	(void)state;
	assert_int_equal(setenv("HOLDFAST_HOME", home, 1), 0);
	assert_int_equal(client_find(&i), HF_OK);
	assert_string_equal(i.dir, home);
	assert_string_equal(i.home, home);
	assert_true(i.private_);
	instance_done(&i);
}

static void its_configuration_may_name_the_socket_of_another(void **state)
{
	char path[128];
	struct instance i;
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/holdfast.conf", home);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("# comment\nlog = info\n socket-dir = /run/other  # here\n", f);
	(void)fclose(f);
	assert_int_equal(client_find(&i), HF_OK);
	assert_string_equal(i.dir, "/run/other");
	assert_false(i.private_);
	instance_done(&i);
	(void)unlink(path);
}

static void without_it_the_users_data_directory_is_home(void **state)
{
	struct instance i;

	(void)state;
	if (access("/run/holdfast/" INSTANCE_SOCKET, F_OK) == 0)
		skip();
	assert_int_equal(unsetenv("HOLDFAST_HOME"), 0);
	assert_int_equal(setenv("XDG_DATA_HOME", "/x", 1), 0);
	assert_int_equal(client_find(&i), HF_OK);
	assert_string_equal(i.home, "/x/holdfast");
	instance_done(&i);
	assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0);
	assert_int_equal(setenv("HOME", "/h", 1), 0);
	assert_int_equal(client_find(&i), HF_OK);
	assert_string_equal(i.home, "/h/.local/share/holdfast");
	instance_done(&i);
}

static int clean(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fifty_starters_make_one_clean_daemon),
		cmocka_unit_test(the_home_is_for_its_owner_only),
		cmocka_unit_test(starting_leaves_no_child_behind),
		cmocka_unit_test(a_missing_program_is_an_error_at_once),
		cmocka_unit_test(a_daemon_that_dies_is_an_error_at_once),
		cmocka_unit_test(one_that_dies_behind_its_socket_too),
		cmocka_unit_test(holdfast_home_names_a_private_instance),
		cmocka_unit_test(its_configuration_may_name_the_socket_of_another),
		cmocka_unit_test(without_it_the_users_data_directory_is_home),
	};

	if (argc == 4 && strcmp(argv[1], "--private") == 0 && strcmp(argv[2], "--home") == 0)
		return daemon_main(argv[3]);
	if (mkdtemp(dir) == NULL || setenv("HOLDFASTD", "/proc/self/exe", 1) != 0)
		return 1;
	(void)snprintf(home, sizeof(home), "%s/a", dir);
	return cmocka_run_group_tests(tests, NULL, clean);
}
