/* main.c: finds the command in spec/cli.def, parses its options, runs it. */
#include "cli.h"

#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 option_set;

#define O(id) ((option_set)1 << OPT_##id)

struct command {
	const char *group, *verb;
	int (*run)(struct cli *c);
	option_set options;
	const char *args, *help;
};

static const struct command commands[] = {
#define CMD(group, verb, fn, opts, args, help) { group, verb, cmd_##fn, opts, args, help },
#include "cli.def"
#undef CMD
};

static const struct {
	const char *name, *arg, *help;
} options[] = {
#define OPT(id, name, arg, help) { name, arg, help },
#include "cli.def"
#undef OPT
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define EVERYWHERE (O(JSON) | O(HOME) | O(AS) | O(AS_FILE) | O(AS_FD) | O(HELP))

#define LONG 0x100 /* above every letter that getopt gives back */

_Static_assert(OPTS <= 8 * sizeof(option_set), "the options of a command are a set of bits");

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("holdfast: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static void help_command(const struct command *k)
{
	char line[64];

	printf("usage: holdfast %s%s%s [OPTION...]%s%s\n\n%s\n\n", k->group, *k->verb ? " " : "",
		k->verb, *k->args ? " " : "", k->args, k->help);
	for (size_t i = 0; i < OPTS; i++) {
		if (!((k->options | EVERYWHERE) >> i & 1))
			continue;
		snprintf(line, sizeof(line), "--%s%s%s", options[i].name, *options[i].arg ? " " : "",
			options[i].arg);
		printf("  %-22s %s\n", line, options[i].help);
	}
}

const char *cli_option_name(enum opt o)
{
	return options[o].name;
}

/* help_group lists the commands of one group, or of all (NULL). */
static void help_group(const char *group)
{
	char line[64];

	printf("usage: holdfast COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *k = &commands[i];

		if (group != NULL && strcmp(group, k->group) != 0)
			continue;
		snprintf(line, sizeof(line), "%s%s%s%s%s", k->group, *k->verb ? " " : "", k->verb,
			*k->args ? " " : "", k->args);
		printf("  %-24s %s\n", line, k->help);
	}
	printf("\n'holdfast COMMAND --help' lists a command's options; holdfast(1) says more.\n");
}

static bool is_group(const char *s)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].group, s) == 0)
			return true;
	return false;
}

/* find_command matches the first one or two words; *ret_words says how many. */
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *k = &commands[i];

		if (argc < 2 || strcmp(k->group, argv[1]) != 0)
			continue;
		*ret_words = *k->verb ? 2 : 1;
		if (!*k->verb || (argc > 2 && strcmp(k->verb, argv[2]) == 0))
			return k;
	}
	return NULL;
}

static int no_command(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		help_group(NULL);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("holdfast " HF_VERSION);
		return EXIT_DONE;
	}
	if (!is_group(argv[1]))
		return cli_usage("there is no command '%s'; see 'holdfast --help'", argv[1]);
	if (argc < 3 || strcmp(argv[2], "--help") == 0) {
		help_group(argv[1]);
		return argc < 3 ? EXIT_USAGE : EXIT_DONE;
	}
	return cli_usage("'%s' has no command '%s'; see 'holdfast %s --help'", argv[1], argv[2],
		argv[1]);
}

/* Words are needed, one each; a last "..." lets more follow, and one in brackets may be absent. */
static bool right_count(const struct command *k, int n)
{
	int words = 0, least = 0;
	bool more = false;

	for (const char *at = k->args; *at != '\0'; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		words++;
		least += *at != '[';
		more = memchr(at, '.', len) != NULL;
		at += len;
	}
	return n >= least && (more || n <= words);
}

/* parse fills c->opt and c->args; false after it has said what is wrong. */
static bool parse(struct cli *c, const struct command *k, int argc, char **argv)
{
	struct option longs[OPTS + 1] = { 0 };
	int o, n = 0;

	for (int i = 0; i < OPTS; i++)
		if ((k->options | EVERYWHERE) >> i & 1)
			longs[n++] = (struct option){ options[i].name,
				*options[i].arg ? required_argument : no_argument, NULL, LONG + i };
	opterr = 0;
	while ((o = getopt_long(argc, argv, k->options & O(FOLLOW) ? ":f" : ":", longs, NULL)) != -1) {
		if (o == '?' || o == ':') {
			cli_usage("%s '%s'; see 'holdfast %s%s%s --help'",
				o == '?' ? "no such option" : "an argument is missing after",
				argv[optind - 1], k->group, *k->verb ? " " : "", k->verb);
			return false;
		}
		o = o == 'f' ? OPT_FOLLOW : o - LONG;
		c->opt[o] = *options[o].arg ? optarg : "";
	}
	c->args = argv + optind;
	c->arg_count = argc - optind;
	if (!right_count(k, c->arg_count) && !c->opt[OPT_HELP]) {
		cli_usage(*k->args ? "needed: %s" : "unexpected argument '%s'",
			*k->args ? k->args : c->args[0]);
		return false;
	}
	return true;
}

static bool begins_group(size_t i)
{
	return i == 0 || strcmp(commands[i].group, commands[i - 1].group) != 0;
}

int cmd_completion(struct cli *c)
{
	(void)c;
	puts("# bash completion for holdfast; 'eval \"$(holdfast completion)\"' puts it in force\n"
	     "_holdfast() {\n"
	     "  local cur=${COMP_WORDS[COMP_CWORD]} line=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" words=\n"
	     "  [[ ${COMP_WORDS[COMP_CWORD-1]} == --*-file || ${COMP_WORDS[COMP_CWORD-1]} == --in"
	     " || ${COMP_WORDS[COMP_CWORD-1]} == --out ]] &&"
	     " { COMPREPLY=($(compgen -f -- \"$cur\")); return; }\n"
	     "  case $COMP_CWORD in 1) words=\"--help --version");
	for (size_t i = 0; i < COMMANDS; i++)
		if (begins_group(i))
			printf(" %s", commands[i].group);
	puts("\";; *) case $line in");
	for (size_t i = 0; i < COMMANDS; i++) {
		printf("    '%s %s'*) words='", commands[i].group, commands[i].verb);
		for (size_t o = 0; o < OPTS; o++)
			if ((commands[i].options | EVERYWHERE) >> o & 1)
				printf("--%s ", options[o].name);
		puts("';;");
	}
	puts("    esac\n    [[ $COMP_CWORD == 2 ]] && case ${COMP_WORDS[1]} in");
	for (size_t i = 0; i < COMMANDS; i++)
		if (*commands[i].verb && begins_group(i)) {
			printf("    %s) words='", commands[i].group);
			for (size_t k = i; k < COMMANDS && (k == i || !begins_group(k)); k++)
				printf("%s ", commands[k].verb);
			puts("--help';;");
		}
	puts("    esac;;\n  esac\n"
	     "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _holdfast holdfast");
	return EXIT_DONE;
}

/* jansson's memory comes from base, so that whoever gets a string from it may
 * give it back with hf_free. */
static void *json_alloc(size_t n)
{
	return hf_alloc(n, 1);
}

/* What a file or the list of commands answers needs no HSM, and starts none. */
static bool needs_hsm(const struct command *k)
{
	return k->run != cmd_completion && k->run != cmd_bench &&
		k->run != cmd_audit_verify && k->run != cmd_audit_query && k->run != cmd_audit_export &&
		k->run != cmd_backup_inspect && k->run != cmd_backup_verify &&
		k->run != cmd_softhsm_list && k->run != cmd_quorum_cards &&
		k->run != cmd_attest_verify && k->run != cmd_audit_forward;
}

static enum hf_err connect_to(struct cli *c, bool no_start)
{
	const struct client_options co = { .program = "holdfast", .no_start = no_start };
	enum hf_err e = client_open(&co, &c->client);

	cli_asks(c->client);
	return e;
}

bool cli_connect(struct cli *c)
{
	enum hf_err e = c->client == NULL ? connect_to(c, false) : HF_OK;

	if (e != HF_OK)
		(void)cli_fail("cannot start", e);
	return e == HF_OK && cli_enter(c);
}

/* general is how many words the general option at w takes; 0: it is none. */
static int general(const char *w)
{
	size_t len = strcspn(w, "=");

	for (size_t i = 0; i < OPTS && strncmp(w, "--", 2) == 0; i++)
		if ((EVERYWHERE & ~O(HELP)) >> i & 1 && strlen(options[i].name) + 2 == len &&
		    strncmp(w + 2, options[i].name, len - 2) == 0)
			return *options[i].arg && w[len] == '\0' ? 2 : 1;
	return 0;
}

/* move_general puts general options that stand before the command behind it. */
static void move_general(int argc, char **argv)
{
	for (int left = argc - 1, n = 0; left > 1 && (n = general(argv[1])) > 0; left -= n)
		for (int i = 0; i < n; i++) {
			char *first = argv[1];

			memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof(*argv));
			argv[argc - 1] = first;
		}
}

int main(int argc, char **argv)
{
	struct cli c = { 0 };
	int words = 0, code;
	const struct command *k;
	enum hf_err e = HF_OK;

	move_general(argc, argv);
	k = find_command(argc, argv, &words);
	setlocale(LC_CTYPE, "");
	json_set_alloc_funcs(json_alloc, hf_free);
	if (k == NULL)
		return no_command(argc, argv);
	if (!parse(&c, k, argc - words, argv + words))
		return EXIT_USAGE;
	if (c.opt[OPT_HELP]) {
		help_command(k);
		return EXIT_DONE;
	}
	if (c.opt[OPT_HOME] && setenv("HOLDFAST_HOME", c.opt[OPT_HOME], 1) != 0)
		return cli_fail("--home", HF_E_MEMORY);
	if (needs_hsm(k))
		e = connect_to(&c, k->run == cmd_stop);
	code = e != HF_OK ? cli_fail("cannot start", e) : cli_enter(&c) ? k->run(&c) : EXIT_FAILED;
	cli_asks(NULL);
	client_close(c.client);
	arena_done(&c.arena);
	if (fflush(stdout) != 0 || ferror(stdout))
		return cli_fail("standard output", HF_E_OUTPUT);
	return code;
}
