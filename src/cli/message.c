/* message.c: see message.h. */
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int cli_message_write(const char *path, json_t *o)
{
	int fd;
	bool ok;

	if (path == NULL) {
		json_dumpf(o, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(o);
		return EXIT_DONE;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ok = fd >= 0 && json_dumpfd(o, fd, JSON_INDENT(2)) == 0 && fsync(fd) == 0;
	if (!ok)
		cli_usage("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	json_decref(o);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

bool cli_message_read(struct cli *c, const char *path, const char *field, size_t max, struct slice *ret)
{
	json_t *o = strcmp(path, "-") == 0 ? json_loadf(stdin, JSON_DISABLE_EOF_CHECK, NULL) :
		json_load_file(path, 0, NULL);
	const char *s = json_string_value(json_object_get(o, field));
	uint8_t *p = arena_alloc(&c->arena, max, 1);
	size_t n = 0;
	bool ok = s != NULL && p != NULL && hex_decode(s, p, max, &n);

	json_decref(o);
	*ret = (struct slice){ p, n };
	return ok;
}
