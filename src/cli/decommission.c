/* decommission.c: the end of an HSM. Its keys first (zeroize), then its daemon, then what is left of
 * its data directory; the audit log stays. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SYSTEM_DATA "/var/lib/holdfast"
#define KEYS_NAME "keys" /* beside the log's segments */
#define LOG_NAME 64
#define LOCK_TRIES 500
#define LOCK_STEP_NS 20000000l

/* In the system's instance the lock lies with the data. */
struct place {
	char home[4096], data[4096];
};

static bool find_place(struct place *ret)
{
	struct instance i = { 0 };
	const char *home;
	int n;

	if (client_find(&i) != HF_OK)
		return false;
	home = i.home != NULL ? i.home : SYSTEM_DATA;
	n = snprintf(ret->home, sizeof(ret->home), "%s", home);
	n = n < (int)sizeof(ret->home) ? snprintf(ret->data, sizeof(ret->data), "%s%s", home,
		i.home != NULL ? "/data" : "") : n;
	instance_done(&i);
	return n < (int)sizeof(ret->data);
}

/* --- files -------------------------------------------------------------------------- */

/* overwrite: the same blocks, where the file system lets one have them. */
static bool overwrite(int fd)
{
	static const char zero[65536];
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	for (off_t at = 0; at < st.st_size;) {
		off_t left = st.st_size - at;
		ssize_t n = pwrite(fd, zero, left < (off_t)sizeof(zero) ? (size_t)left : sizeof(zero), at);

		if (n <= 0)
			return false;
		at += n;
	}
	return fsync(fd) == 0;
}

static bool erase(int dir, const char *name)
{
	struct stat st;
	bool ok;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return true; /* a directory is the audit log; a link leads to what is not ours */
	fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	ok = fd >= 0 && overwrite(fd) && unlinkat(dir, name, 0) == 0;
	if (!ok)
		(void)cli_usage("%s cannot be erased: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool erase_all(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool ok = d != NULL;

	if (d == NULL && fd >= 0)
		close(fd);
	while (d != NULL && (e = readdir(d)) != NULL)
		ok = erase(dir, e->d_name) && ok;
	if (d != NULL)
		closedir(d);
	return ok && fsync(dir) == 0;
}

/* --- the daemon --------------------------------------------------------------------- */

/* The daemon has this lock for as long as it lives, and no other starts while we have it. */
static int wait_for_lock(const struct place *p)
{
	static const struct timespec step = { 0, LOCK_STEP_NS };
	int home = open(p->home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = home >= 0 ? openat(home, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
			close(fd);
			fd = -1;
			break;
		}
		(void)nanosleep(&step, NULL);
	}
	if (home >= 0)
		close(home);
	return fd;
}

static bool zeroize(struct cli *c)
{
	struct zeroize_req q = { 0 };
	struct zeroize_res r;
	enum hf_err e = do_zeroize(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		(void)cli_fail("zeroize", e);
	return e == HF_OK || e == HF_E_ZEROIZE_PENDING; /* what is left is erased here */
}

static bool stop(struct cli *c)
{
	struct stop_req q = { 0 };
	struct stop_res r;
	enum hf_err e = do_stop(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		(void)cli_fail("stop", e);
	return e == HF_OK;
}

/* The key's public half is known only until the root key is gone. */
static void keep_audit_keys(struct cli *c, const struct place *p)
{
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/audit/" KEYS_NAME, p->data);
	if (access(path, F_OK) != 0 && cli_audit_keys(c, path) != EXIT_DONE)
		fputs("the key that verifies the audit log is not kept: an HSM that is locked or zeroized\n"
			"does not tell it, and where the auditor has a PIN only he hears it\n", stderr);
}

/* Out of the way of a new HSM, whose log would go on behind this one. */
static bool put_log_aside(int dir, char ret[LOG_NAME])
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL || strftime(ret, LOG_NAME, "audit-%Y%m%dT%H%M%SZ", &tm) == 0)
		return false;
	if (renameat(dir, "audit", dir, ret) == 0 && fsync(dir) == 0)
		return true;
	(void)cli_usage("the audit log stays where it is: %s", strerror(errno));
	return false;
}

static int report(struct cli *c, const struct place *p, int dir, const char *log)
{
	json_t *keys;
	char path[LOG_NAME + 8];

	(void)snprintf(path, sizeof(path), "%s/" KEYS_NAME, log);
	keys = faccessat(dir, path, F_OK, 0) == 0 ? json_sprintf("%s/%s", p->data, path) :
		json_string("not kept");
	cli_print(c, json_pack("{s:o, s:o, s:s}", "audit log", json_sprintf("%s/%s", p->data, log),
		"audit keys", keys, "not reached",
		"copies and backups, and what the disk or file system keeps of old blocks"));
	return EXIT_DONE;
}

static int erase_place(struct cli *c, const struct place *p)
{
	int dir = open(p->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = EXIT_FAILED;
	char log[LOG_NAME];

	if (dir < 0)
		return cli_usage("%s: %s", p->data, strerror(errno));
	if (erase_all(dir) && put_log_aside(dir, log))
		code = report(c, p, dir, log);
	close(dir);
	return code;
}

int cmd_decommission(struct cli *c)
{
	struct place p;
	int lock, code;

	if (!find_place(&p))
		return cli_usage("the instance's directory cannot be found");
	if (access(p.data, W_OK | X_OK) != 0)
		return cli_usage("%s: %s; decommission as the user that holdfastd runs as", p.data,
			strerror(errno));
	if (!cli_sure(c, "Destroy every key of this HSM, and erase its data directory, for good?"))
		return EXIT_FAILED;
	keep_audit_keys(c, &p);
	if (!zeroize(c) || !stop(c))
		return EXIT_FAILED;
	lock = wait_for_lock(&p);
	if (lock < 0)
		return cli_usage("the daemon of %s does not end; its keys are gone: stop it, then delete %s",
			p.home, p.data);
	code = erase_place(c, &p);
	close(lock);
	return code;
}
