/* main.c: options and places of holdfastd; which of its processes this one is. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"
#include "instance.h"
#include "integrity.h"
#include "log.h"
#include "roles.h"
#include "runtime.h"
#include "watch.h"

enum option_id {
	HOME = 1, PRIVATE, FOREGROUND, CONFIG, SET, NO_SECCOMP, UNSEALED, CHECK, DUMP, VERSION, HELP,
	ROLE
};

static const struct {
	struct option o;
	const char *arg, *help; /* NULL: for holdfastd's own use */
} options[] = {
	{ { "home", required_argument, NULL, HOME }, "DIR",
		"keep everything of this instance under DIR" },
	{ { "private", no_argument, NULL, PRIVATE }, "",
		"leave when no client was there for idle-timeout" },
	{ { "foreground", no_argument, NULL, FOREGROUND }, "",
		"do not detach (it never does)" },
	{ { "config", required_argument, NULL, CONFIG }, "FILE",
		"read settings from FILE" },
	{ { "set", required_argument, NULL, SET }, "KEY=VALUE",
		"one setting, stronger than the file's" },
	{ { "allow-no-seccomp", no_argument, NULL, NO_SECCOMP }, "",
		"start even where the system-call filter fails" },
	{ { "allow-unsealed", no_argument, NULL, UNSEALED }, "",
		"start although the executable carries no checksum" },
	{ { "check", no_argument, NULL, CHECK }, "",
		"check settings, executable and cryptography, and exit" },
	{ { "print-config", no_argument, NULL, DUMP }, "",
		"print all settings with what they mean, and exit" },
	{ { "version", no_argument, NULL, VERSION }, "",
		"print the version" },
	{ { "help", no_argument, NULL, HELP }, "",
		"print this help" },
	{ { "role", required_argument, NULL, ROLE }, NULL, NULL },
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

#define SETS_MAX 64

struct start {
	const char *home, *config, *role;
	char *sets[SETS_MAX]; /* KEY=VALUE of --set */
	unsigned set_count;
	struct role_flags flags;
	struct config settings;
	bool check, dump;
};

static void help(void)
{
	char line[64];

	puts("usage: holdfastd [OPTION...]\n\n"
	     "The Holdfast HSM: holds keys, answers clients on a unix socket.\n");
	for (size_t i = 0; i < OPTIONS; i++) {
		if (options[i].help == NULL)
			continue;
		snprintf(line, sizeof(line), "--%s%s%s", options[i].o.name, *options[i].arg ? " " : "",
			options[i].arg);
		printf("  %-20s  %s\n", line, options[i].help);
	}
	puts("\nWithout --home: data in /var/lib/holdfast, socket in /run/holdfast, settings in\n"
	     "/etc/holdfast/holdfast.conf. See holdfastd(8) and holdfast.conf(5).");
}

static bool keep_set(struct start *s, char *pair)
{
	if (s->set_count < SETS_MAX && strchr(pair, '=') != NULL) {
		s->sets[s->set_count++] = pair;
		return true;
	}
	fprintf(stderr, "holdfastd: --set wants KEY=VALUE, at most %d times, not '%s'\n", SETS_MAX, pair);
	return false;
}

static bool set_one(struct start *s, char *pair)
{
	char why[CONFIG_WHY], *eq = strchr(pair, '=');
	bool ok;

	*eq = '\0';
	ok = config_set(&s->settings, pair, eq + 1, why);
	if (!ok)
		fprintf(stderr, "holdfastd: --set %s=%s: %s\n", pair, eq + 1, why);
	*eq = '=';
	return ok;
}

/* take_option: -1 go on, else the exit code. */
static int take_option(struct start *s, int id)
{
	switch ((enum option_id)id) {
	case HOME:
		s->home = optarg;
		return -1;
	case PRIVATE:
		s->flags.private_ = true;
		return -1;
	case FOREGROUND:
		return -1;
	case CONFIG:
		s->config = optarg;
		return -1;
	case SET:
		return keep_set(s, optarg) ? -1 : EXIT_USAGE;
	case NO_SECCOMP:
		s->flags.allow_no_seccomp = true;
		return -1;
	case UNSEALED:
		s->flags.allow_unsealed = true;
		return -1;
	case CHECK:
		s->check = true;
		return -1;
	case DUMP:
		s->dump = true;
		return -1;
	case ROLE:
		s->role = optarg;
		return -1;
	case VERSION:
		puts("holdfastd " HF_VERSION);
		return 0;
	case HELP:
		help();
		return 0;
	}
	return EXIT_USAGE;
}

static int parse(struct start *s, int argc, char **argv)
{
	struct option longs[OPTIONS + 1] = { 0 };
	int id, code;

	for (size_t i = 0; i < OPTIONS; i++)
		longs[i] = options[i].o;
	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (id == '?')
			return EXIT_USAGE;
		code = take_option(s, id);
		if (code >= 0)
			return code;
	}
	if (optind < argc) {
		fprintf(stderr, "holdfastd: '%s' is not understood; see holdfastd --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* read_file: a file that was named must be there; a usual one may be. */
static bool read_file(struct start *s, const char *usual)
{
	const char *path = s->config != NULL ? s->config : usual;
	FILE *f = fopen(path, "re");
	bool ok;

	if (f == NULL) {
		if ((errno == ENOENT || errno == ENOTDIR) && s->config == NULL)
			return true;
		fprintf(stderr, "holdfastd: %s: %s\n", path, strerror(errno));
		return false;
	}
	ok = config_read(&s->settings, f, path);
	fclose(f);
	return ok;
}

static bool read_settings(struct start *s, const char *usual)
{
	bool ok = read_file(s, usual);

	for (unsigned i = 0; i < s->set_count; i++)
		ok = set_one(s, s->sets[i]) && ok;
	if (s->settings.pin_min > s->settings.pin_max) {
		fprintf(stderr, "holdfastd: pin-min = %llu must not be above pin-max = %llu\n",
			(unsigned long long)s->settings.pin_min, (unsigned long long)s->settings.pin_max);
		ok = false;
	}
	return ok;
}

static int run_role(struct start *s)
{
	FILE *f = fdopen(FD_CONFIG, "r");
	char name[16];

	if (f == NULL || !config_read(&s->settings, f, "settings from the monitor")) {
		fprintf(stderr, "holdfastd: --role is for holdfastd's own use\n");
		return EXIT_USAGE;
	}
	fclose(f);
	snprintf(name, sizeof(name), "%s", s->role);
	log_open(name, (enum log_level)s->settings.log_level);
	if (strcmp(s->role, "vault") == 0)
		return vault_main(&s->settings, &s->flags);
	if (strcmp(s->role, "keeper") == 0)
		return keeper_main(&s->settings, &s->flags);
	return EXIT_USAGE;
}

static bool join(char out[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s%s", dir, name);

	return n >= 0 && n < PATH_MAX;
}

/* places says where an instance has its things; usual: its settings file. */
static bool places(const struct start *s, struct instance_paths *p, char usual[PATH_MAX])
{
	p->system = s->home == NULL || *s->home == '\0';
	if (!p->system)
		return join(p->home, s->home, "") && join(p->data, s->home, "/data") &&
		       join(p->socket_dir, s->home, "") && join(usual, s->home, "/holdfast.conf");
	return join(p->home, "/var/lib/holdfast", "") && join(p->data, "/var/lib/holdfast", "") &&
	       join(p->socket_dir, "/run/holdfast", "") &&
	       join(usual, "/etc/holdfast/holdfast.conf", "");
}

/* on_medium: all that changes of a removable token is elsewhere. False: there is no place. */
static bool on_medium(struct start *s, struct instance_paths *p)
{
	char run[PATH_MAX];

	if (p->system || !runtime_of(s->home, run))
		return true;
	s->settings.read_only = 1;
	if (!runtime_make(run)) {
		fprintf(stderr, "holdfastd: %s must be a directory of this user alone\n", run);
		return false;
	}
	return join(p->medium, s->home, "/data") && join(p->home, run, "") &&
		join(p->data, run, "/data") && join(p->socket_dir, run, "");
}

/* Settings of an instance lie on the medium that may be missing; the environment does not. */
static bool wants_existing(const struct start *s)
{
	const char *env = getenv("HOLDFAST_EXISTING");

	return s->settings.existing != 0 || (env != NULL && *env != '\0' && strcmp(env, "0") != 0 &&
		strcmp(env, "no") != 0);
}

static bool is_there(const struct instance_paths *p)
{
	const char *data = *p->medium != '\0' ? p->medium : p->data;
	char store[PATH_MAX];

	if (join(store, data, "/store.db") && access(store, F_OK) == 0)
		return true;
	fprintf(stderr, "holdfastd: there is no HSM in %s, and a new one is not wanted (existing = yes, or "
		"HOLDFAST_EXISTING): is its medium mounted?\n", data);
	return false;
}

static void report(void *ctx, const char *name, bool ok)
{
	(void)ctx;
	if (!ok)
		fprintf(stderr, "holdfastd: the self-test %s failed\n", name);
}

/* check_all does what a start would do first, and touches nothing. */
static int check_all(const struct start *s)
{
	enum integrity seal;

	if (!watch_possible(&s->settings))
		return 1;
	puts("settings: good");
	crypto_fips(s->settings.fips_module, s->settings.fips_config);
	if (secret_init(0) != HF_OK || crypto_init() != HF_OK) {
		fprintf(stderr, "holdfastd: %s\n", *crypto_why() != '\0' ? crypto_why() :
			"protected memory or OpenSSL cannot be set up");
		return 1;
	}
	seal = integrity_check();
	if (seal == INTEGRITY_WRONG || (seal == INTEGRITY_UNSEALED && !s->flags.allow_unsealed)) {
		fputs(seal == INTEGRITY_WRONG ? "holdfastd: the executable is not the one that was built\n" :
			"holdfastd: the executable is not sealed\n", stderr);
		return 1;
	}
	puts(seal == INTEGRITY_GOOD ? "executable: integrity verified" : "executable: not sealed");
	if (!crypto_selftest(report, NULL))
		return 1;
	printf("self-tests: passed (%s)\n", crypto_version());
	return 0;
}

int main(int argc, char **argv)
{
	struct start s = { .home = getenv("HOLDFAST_HOME") };
	struct instance_paths paths = { 0 };
	char usual[PATH_MAX];
	int code;

	config_default(&s.settings);
	code = parse(&s, argc, argv);
	if (code >= 0)
		return code;
	if (s.role != NULL)
		return run_role(&s);
	if (!places(&s, &paths, usual)) {
		fprintf(stderr, "holdfastd: --home %s: the path is too long\n", s.home);
		return EXIT_USAGE;
	}
	if (!read_settings(&s, usual))
		return EXIT_USAGE;
	if (!s.dump && !s.check && !on_medium(&s, &paths))
		return EXIT_USAGE;
	if (*s.settings.socket_dir != '\0')
		snprintf(paths.socket_dir, sizeof(paths.socket_dir), "%s", s.settings.socket_dir);
	paths.everybody = paths.system || *s.settings.socket_dir != '\0';
	if (s.dump)
		return config_write(&s.settings, stdout, true) ? 0 : 1;
	if (s.check)
		return check_all(&s);
	if (wants_existing(&s) && !is_there(&paths))
		return 1;
	log_open("monitor", (enum log_level)s.settings.log_level);
	return monitor_main(&s.settings, &s.flags, &paths);
}
