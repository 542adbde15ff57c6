/* removable.c: backup token: a read-only HSM in a directory (runtime.h), made of a backup. It is a new
 * HSM with a root key of its own, into which whole partitions are restored; then it gets its id. */
#include "backup_seal.h"

#include <errno.h>
#include <ftw.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime.h"

#define MAKING "making.backup"

/* struct making is a token on its way. */
struct making {
	struct cli *c;
	char home[PATH_MAX];
	struct secret passphrase;
};

static void making_done(struct making *m)
{
	secret_done(&m->passphrase);
}

static bool say(const char *what)
{
	(void)cli_usage("%s: %s; no token was made", what, strerror(errno));
	return false;
}

static bool path_of(const struct making *m, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", m->home, name);

	errno = ENAMETOOLONG;
	return (n > 0 && n < PATH_MAX) || say(m->home);
}

static bool write_file(const struct making *m, const char *name, const char *text)
{
	char path[PATH_MAX];
	size_t n = strlen(text);
	bool ok;
	int fd;

	if (!path_of(m, name, path))
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	if (!ok)
		(void)say(path);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* pass gives the passphrase's line through a pipe, which is larger than it. */
static int pass(const struct making *m)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	if (write(p[1], m->passphrase.p, m->passphrase.n) != (ssize_t)m->passphrase.n ||
	    write(p[1], "\n", 1) != 1) {
		close(p[0]);
		p[0] = -1;
	}
	close(p[1]);
	return p[0];
}

/* become runs this program for the token; what it prints is of no interest. */
static _Noreturn void become(const struct making *m, const char *const *args, int secret)
{
	const char *argv[8] = { "holdfast" };
	size_t n = 1;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	while (args[n - 1] != NULL && n < sizeof(argv) / sizeof(argv[0]) - 1) {
		argv[n] = args[n - 1];
		n++;
	}
	if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0 && fcntl(secret, F_SETFD, 0) == 0 &&
	    setenv("HOLDFAST_HOME", m->home, 1) == 0)
		(void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(EXIT_FAILED);
}

/* run: args with the option for the passphrase's descriptor in front of the last one. */
static bool run(const struct making *m, const char *group, const char *verb, const char *option,
	const char *last)
{
	int secret = pass(m), status = -1;
	char number[12];
	const char *args[] = { group, verb, option, number, last, NULL };
	const char *plain[] = { group, option, number, NULL };
	pid_t pid;

	if (secret < 0)
		return say("pipe");
	(void)snprintf(number, sizeof(number), "%d", secret);
	pid = fork();
	if (pid == 0)
		become(m, verb == NULL ? plain : args, secret);
	close(secret);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE;
}

/* stop ends the daemon of the token, and waits until it has gone. */
static bool stop(const struct making *m)
{
	static const char *const args[] = { "stop", NULL };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		become(m, args, STDERR_FILENO);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE;
}

static bool begin(struct making *m)
{
	if (mkdir(m->c->args[0], 0700) != 0)
		return say(m->c->args[0]);
	if (realpath(m->c->args[0], m->home) == NULL) {
		m->home[0] = '\0';
		return say(m->c->args[0]);
	}
	return cli_pin(m->c, OPT_PASS_FILE, OPT_PASS_FD, "passphrase of the token", true,
		&m->passphrase) == HF_OK && write_file(m, "holdfast.conf", "unlock = passphrase\n");
}

/* The backup is sealed to the same passphrase, and gone before anybody has the token. */
static bool back_up(struct making *m, json_t **ret_told)
{
	char path[PATH_MAX], number[12];
	int secret = pass(m);
	bool ok;

	if (secret < 0 || !path_of(m, MAKING, path))
		return say("pipe");
	(void)snprintf(number, sizeof(number), "%d", secret);
	m->c->opt[OPT_WHOLE] = "";
	m->c->opt[OPT_PASS_FILE] = NULL;
	m->c->opt[OPT_PASS_FD] = number;
	ok = backup_write(m->c, path, ret_told);
	m->c->opt[OPT_PASS_FD] = NULL;
	close(secret);
	return ok;
}

static bool fill(const struct making *m)
{
	char path[PATH_MAX];
	bool ok;

	if (!path_of(m, MAKING, path))
		return false;
	ok = run(m, "unlock", NULL, "--pin-fd", NULL) &&
		run(m, "backup", "restore", "--passphrase-fd", path);
	return stop(m) && ok;
}

/* finish takes away what was for the making; from its id on the directory is a token. */
static bool finish(const struct making *m)
{
	static const char *const gone[] = { MAKING, "lock", "start.lock", "daemon.log", "data/keeper.lock" };
	char path[PATH_MAX], id[RUNTIME_DIGITS + 2] = "";
	uint8_t random[RUNTIME_DIGITS / 2];

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (!path_of(m, gone[i], path) || (unlink(path) != 0 && errno != ENOENT))
			return say(path);
	if (!path_of(m, "data/store.db-wal", path))
		return false;
	if (access(path, F_OK) == 0) {
		errno = EBUSY;
		return say(path);
	}
	if (getentropy(random, sizeof(random)) != 0)
		return say("random bytes");
	hex_encode(SLICE_OF(random), id);
	id[RUNTIME_DIGITS] = '\n';
	if (!write_file(m, RUNTIME_ID, id))
		return false;
	sync();
	return true;
}

static int delete_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* give_up deletes the directory if it is ours: the same command can be said again. */
static int give_up(const struct making *m)
{
	if (m->home[0] != '\0' && nftw(m->home, delete_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		return cli_usage("%s is no token yet: delete it (%s)", m->home, strerror(errno));
	return EXIT_FAILED;
}

int cmd_removable(struct cli *c)
{
	CLEANUP(making_done) struct making m = { .c = c };
	json_t *told = NULL;

	if (!begin(&m) || !back_up(&m, &told) || !fill(&m) || !finish(&m)) {
		json_decref(told);
		return give_up(&m);
	}
	json_object_set_new(told, "token", json_string(m.home));
	cli_print(c, told);
	return EXIT_DONE;
}
