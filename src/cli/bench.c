/* bench.c: how quick a PKCS#11 module is: this HSM's, or any other's. */
#include "bench.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define WORKS "rsa2048-sign,p256-sign,ed25519-sign,hmac-32,aes-gcm-1k,random-32"
#define MODULE "libholdfast-pkcs11.so"
#define LIST_MAX 1024 /* characters */
#define PATH_ROOM 4096

struct plan {
	struct bench *b;
	double seconds;
	unsigned objects;
	json_t *rows;
};

/* our_module: beside this program where it was built, else where it is installed. */
static const char *our_module(char room[PATH_ROOM])
{
	ssize_t n = readlink("/proc/self/exe", room, PATH_ROOM - sizeof(MODULE));
	char *slash;

	room[n > 0 ? n : 0] = '\0';
	slash = strrchr(room, '/');
	if (slash != NULL) {
		memcpy(slash + 1, MODULE, sizeof(MODULE));
		if (access(room, R_OK) == 0)
			return room;
	}
	return HF_MODULE_DIR "/" MODULE;
}

/* each calls f for every word of a comma-separated list, until it says false. */
static bool each(const char *list, bool (*f)(struct plan *p, const char *word, const char *more),
	struct plan *p, const char *more)
{
	char room[LIST_MAX], *at = room, *word;

	if (strlen(list) >= sizeof(room)) {
		cli_usage("a list of over %d characters is not taken", LIST_MAX - 1);
		return false;
	}
	memcpy(room, list, strlen(list) + 1);
	while ((word = strsep(&at, ",")) != NULL)
		if (!f(p, word, more))
			return false;
	return true;
}

/* rounded to tenths: no more is meant. */
static double rounded(double v)
{
	return (double)(int64_t)(v * 10 + 0.5) / 10;
}

static bool run_threads(struct plan *p, const char *threads, const char *work)
{
	struct bench_result r;
	uint64_t n;

	if (!cli_number(threads, 1, BENCH_THREADS_MAX, &n) ||
	    !bench_work(p->b, work, (unsigned)n, p->seconds, p->objects, &r))
		return false;
	return json_array_append_new(p->rows, json_pack("{s:s, s:I, s:f, s:f, s:f}", "work", work,
		"threads", (json_int_t)n, "per_second", rounded(r.per_second),
		"p50_us", rounded(r.p50_us), "p99_us", rounded(r.p99_us))) == 0;
}

static bool run_work(struct plan *p, const char *work, const char *threads)
{
	return each(threads, run_threads, p, work);
}

static bool check_threads(struct plan *p, const char *threads, const char *more)
{
	uint64_t n;

	(void)p;
	(void)more;
	if (cli_number(threads, 1, BENCH_THREADS_MAX, &n))
		return true;
	cli_usage("--threads wants numbers from 1 to %u, comma-separated", BENCH_THREADS_MAX);
	return false;
}

static bool check_work(struct plan *p, const char *work, const char *more)
{
	(void)p;
	(void)more;
	return bench_knows(work);
}

static bool is_readable(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
}

static bool read_plan(struct cli *c, struct plan *p, int *ret_wait_fd)
{
	uint64_t objects = 1000, ms = 1000, wait_fd = 0;
	char *end;

	if (c->opt[OPT_SECONDS]) {
		double seconds = strtod(c->opt[OPT_SECONDS], &end);

		ms = seconds >= 0.001 && seconds <= 3600 ? (uint64_t)(1000 * seconds) : 0;
		if (*end != '\0' || ms == 0) {
			cli_usage("--seconds wants a number from 0.001 to 3600");
			return false;
		}
	}
	if (c->opt[OPT_OBJECTS] && !cli_number(c->opt[OPT_OBJECTS], 1, 10000000, &objects)) {
		cli_usage("--objects wants a number from 1 to 10000000");
		return false;
	}
	if (c->opt[OPT_WAIT_FD] && (!cli_number(c->opt[OPT_WAIT_FD], 1, INT_MAX, &wait_fd) ||
					   !is_readable((int)wait_fd))) {
		cli_usage("--wait-fd wants a file descriptor that is open for reading, from 1; not '%s'",
			c->opt[OPT_WAIT_FD]);
		return false;
	}
	p->seconds = (double)ms / 1000;
	p->objects = (unsigned)objects;
	*ret_wait_fd = (int)wait_fd;
	return true;
}

/* Keys that stay are the same for all runs; else what ends this one early takes its own with it. */
static bool begin(struct cli *c, const struct bench_target *t, struct bench **ret)
{
	bool keep = c->opt[OPT_KEEP] != NULL;

	if ((!keep && !stop_catch()) || !bench_open(t, ret))
		return false;
	if (!keep)
		bench_own(*ret);
	return true;
}

static bool run(struct cli *c, struct plan *p, const char *works, const char *threads)
{
	bool ok;

	p->rows = json_array();
	ok = p->rows != NULL && each(works, run_work, p, threads);
	cli_print(c, p->rows);
	return ok;
}

int cmd_bench(struct cli *c)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	const char *works = c->opt[OPT_WORK] ? c->opt[OPT_WORK] : WORKS;
	const char *threads = c->opt[OPT_THREADS] ? c->opt[OPT_THREADS] : "1,2";
	char room[PATH_ROOM], text[256] = "";
	struct bench_target t = {
		.module = c->opt[OPT_MODULE] ? c->opt[OPT_MODULE] : our_module(room),
		.token = c->opt[OPT_PARTITION],
		.pin = text,
		.init_text = c->opt[OPT_MODULE_INIT],
		.init = c->opt[OPT_INIT] != NULL,
	};
	struct plan p = { 0 };
	bool ok;

	if (*t.module == '\0')
		return cli_usage("--module wants the file of a PKCS#11 module");
	if (!each(works, check_work, &p, NULL) || !each(threads, check_threads, &p, NULL) ||
	    !read_plan(c, &p, &t.wait_fd))
		return EXIT_USAGE;
	if (!bench_loads(t.module) ||
	    cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "PIN of the user", false, &pin) != HF_OK)
		return EXIT_FAILED;
	if (secret_slice(&pin).n >= sizeof(text))
		return cli_usage("the PIN is too long");
	memcpy(text, secret_slice(&pin).p, secret_slice(&pin).n);
	ok = begin(c, &t, &p.b) && run(c, &p, works, threads);
	bench_close(p.b);
	secret_wipe(text, sizeof(text));
	stop_follow();
	return ok ? EXIT_DONE : EXIT_FAILED;
}
