/* main.c: options and places of holdfastd; which of its processes this one is. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "roles.h"

enum option_id { HOME = 1, PRIVATE, CONFIG, SET, NO_SECCOMP, UNSEALED, CHECK, DUMP, VERSION, HELP, ROLE };

static const struct {
	struct option o;
	const char *arg, *help; /* NULL: for holdfastd's own use */
} options[] = {
	{ { "home", required_argument, NULL, HOME }, "DIR", "keep everything of this instance under DIR" },
	{ { "private", no_argument, NULL, PRIVATE }, "", "leave when no client was there for idle-timeout" },
	{ { "config", required_argument, NULL, CONFIG }, "FILE", "read settings from FILE" },
	{ { "set", required_argument, NULL, SET }, "KEY=VALUE", "one setting, before those of the file" },
	{ { "allow-no-seccomp", no_argument, NULL, NO_SECCOMP }, "", "start even where the system-call filter fails" },
	{ { "allow-unsealed", no_argument, NULL, UNSEALED }, "", "start although the executable carries no checksum" },
	{ { "check", no_argument, NULL, CHECK }, "", "read the settings, say whether they are good, and exit" },
	{ { "print-config", no_argument, NULL, DUMP }, "", "print all settings with what they mean, and exit" },
	{ { "version", no_argument, NULL, VERSION }, "", "print the version" },
	{ { "help", no_argument, NULL, HELP }, "", "print this help" },
	{ { "role", required_argument, NULL, ROLE }, NULL, NULL },
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

struct start {
	const char *home, *config, *role;
	struct role_flags flags;
	struct config settings;
	bool check, dump;
};

static void help(void)
{
	char line[64];

	puts("usage: holdfastd [OPTION...]\n\nThe Holdfast HSM: holds keys, answers clients on a unix socket.\n");
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

static bool set_one(struct start *s, char *pair)
{
	char why[160], *eq = strchr(pair, '=');

	if (eq == NULL) {
		fprintf(stderr, "holdfastd: --set wants KEY=VALUE, not '%s'\n", pair);
		return false;
	}
	*eq = '\0';
	if (config_set(&s->settings, pair, eq + 1, why))
		return true;
	fprintf(stderr, "holdfastd: --set %s=%s: must be %s\n", pair, eq + 1, why);
	return false;
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
	case CONFIG:
		s->config = optarg;
		return -1;
	case SET:
		return set_one(s, optarg) ? -1 : EXIT_USAGE;
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

/* read_settings: a file that was named must be there; a usual one may be. */
static bool read_settings(struct start *s, const char *usual)
{
	const char *path = s->config != NULL ? s->config : usual;
	FILE *f = fopen(path, "re");
	bool ok;

	if (f == NULL) {
		if (errno == ENOENT && s->config == NULL)
			return true;
		fprintf(stderr, "holdfastd: %s: %s\n", path, strerror(errno));
		return false;
	}
	ok = config_read(&s->settings, f, path);
	fclose(f);
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

static bool places(const struct start *s, struct instance_paths *p, char usual[4096])
{
	int n;

	p->system = s->home == NULL;
	if (p->system) {
		snprintf(p->home, sizeof(p->home), "/var/lib/holdfast");
		snprintf(p->data, sizeof(p->data), "/var/lib/holdfast");
		snprintf(p->socket_dir, sizeof(p->socket_dir), "/run/holdfast");
		snprintf(usual, 4096, "/etc/holdfast/holdfast.conf");
		return true;
	}
	snprintf(p->home, sizeof(p->home), "%s", s->home);
	snprintf(p->socket_dir, sizeof(p->socket_dir), "%s", s->home);
	n = snprintf(p->data, sizeof(p->data), "%s/data", s->home);
	snprintf(usual, 4096, "%s/holdfast.conf", s->home);
	return n > 0 && (size_t)n < sizeof(p->data) - 32;
}

int main(int argc, char **argv)
{
	struct start s = { .home = getenv("HOLDFAST_HOME") };
	struct instance_paths paths;
	char usual[4096];
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
	if (s.dump)
		return config_write(&s.settings, stdout, true) ? 0 : 1;
	if (s.check) {
		puts("the settings are good");
		return 0;
	}
	log_open("monitor", (enum log_level)s.settings.log_level);
	return monitor_main(&s.settings, &s.flags, &paths);
}
