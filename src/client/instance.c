#include "client.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime.h"
#include "secret.h"

#define SYSTEM_DIR "/run/holdfast"
#define CONF "holdfast.conf"
#define CONF_SOCKET_DIR "socket-dir"
#define PASSWD_BYTES 16384 /* of one user's entry */

/* path_join allocates "dir/name". */
static enum hf_err path_join(const char *dir, const char *name, char **ret)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *p = hf_alloc(n, 1);

	if (p == NULL)
		return HF_E_MEMORY;
	(void)snprintf(p, n, "%s/%s", dir, name);
	*ret = p;
	return HF_OK;
}

static void free_path(char **p)
{
	hf_free(*p);
}

void instance_done(struct instance *i)
{
	if (i == NULL)
		return;
	hf_free(i->dir);
	hf_free(i->home);
	*i = (struct instance){ 0 };
}

/* value_of finds the value in a line "name = value"; NULL: it is another line. */
static char *value_of(char *line, const char *name)
{
	char *p = line + strspn(line, " \t");
	size_t n = strlen(name);

	if (strncmp(p, name, n) != 0)
		return NULL;
	p += n;
	p += strspn(p, " \t");
	if (*p != '=')
		return NULL;
	p += 1 + strspn(p + 1, " \t");
	p[strcspn(p, "\r\n#")] = '\0';
	for (n = strlen(p); n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'); n--)
		p[n - 1] = '\0';
	return *p == '/' ? p : NULL;
}

/* socket_dir reads home/holdfast.conf; *ret NULL: it names no other directory. */
static enum hf_err socket_dir(const char *home, char **ret)
{
	CLEANUP(free_path) char *path = NULL;
	char line[4096], *value = NULL;
	FILE *f;

	*ret = NULL;
	TRY(path_join(home, CONF, &path));
	f = fopen(path, "re");
	if (f == NULL)
		return HF_OK;
	while (value == NULL && fgets(line, sizeof(line), f) != NULL)
		value = value_of(line, CONF_SOCKET_DIR);
	(void)fclose(f);
	if (value == NULL)
		return HF_OK;
	*ret = hf_strdup(value);
	return *ret == NULL ? HF_E_MEMORY : HF_OK;
}

/* removable_at: what a removable token needs to write goes elsewhere. *ret NULL: it is none. */
static enum hf_err removable_at(const char *home, char **ret)
{
	char run[PATH_MAX];

	*ret = NULL;
	if (!runtime_of(home, run))
		return HF_OK;
	if (!runtime_make(run))
		return HF_E_NO_DAEMON;
	*ret = hf_strdup(run);
	return *ret == NULL ? HF_E_MEMORY : HF_OK;
}

/* An instance in home is private, unless its configuration puts the socket
 * elsewhere: then somebody else runs it. Takes home. */
static enum hf_err instance_at(char *home, struct instance *ret)
{
	struct instance i = { .home = home };
	enum hf_err e = removable_at(home, &i.dir);
	bool removable = i.dir != NULL;

	if (e == HF_OK && !removable)
		e = socket_dir(home, &i.dir);
	i.private_ = removable || i.dir == NULL;
	if (e == HF_OK && i.dir == NULL) {
		i.dir = hf_strdup(home);
		e = i.dir == NULL ? HF_E_MEMORY : HF_OK;
	}
	if (e != HF_OK)
		instance_done(&i);
	else
		*ret = i;
	return e;
}

static bool system_runs(void)
{
	struct stat st;

	return stat(SYSTEM_DIR "/" INSTANCE_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode);
}

static enum hf_err user_home(char **ret)
{
	const char *env = secure_getenv("HOME");
	struct passwd pw, *found = NULL;
	char *text;

	if (env != NULL && env[0] == '/') {
		*ret = hf_strdup(env);
		return *ret == NULL ? HF_E_MEMORY : HF_OK;
	}
	text = hf_alloc(PASSWD_BYTES, 1);
	if (text == NULL)
		return HF_E_MEMORY;
	(void)getpwuid_r(getuid(), &pw, text, PASSWD_BYTES, &found);
	*ret = found != NULL ? hf_strdup(pw.pw_dir) : NULL;
	hf_free(text);
	return *ret == NULL ? HF_E_NO_DAEMON : HF_OK;
}

static enum hf_err data_home(char **ret)
{
	const char *env = secure_getenv("XDG_DATA_HOME");
	CLEANUP(free_path) char *home = NULL;

	if (env != NULL && env[0] == '/')
		return path_join(env, "holdfast", ret);
	TRY(user_home(&home));
	return path_join(home, ".local/share/holdfast", ret);
}

/* The application may change its directory later, and the daemon does at once. */
static enum hf_err absolute(const char *path, char **ret)
{
	char here[4096];

	if (path[0] != '/')
		return getcwd(here, sizeof(here)) == NULL ? HF_E_ARGUMENTS :
							    path_join(here, path, ret);
	*ret = hf_strdup(path);
	return *ret == NULL ? HF_E_MEMORY : HF_OK;
}

enum hf_err client_find(struct instance *ret)
{
	const char *env = secure_getenv("HOLDFAST_HOME");
	char *home;

	if (env != NULL && env[0] != '\0') {
		TRY(absolute(env, &home));
		return instance_at(home, ret);
	}
	if (system_runs()) {
		*ret = (struct instance){ .dir = hf_strdup(SYSTEM_DIR) };
		return ret->dir == NULL ? HF_E_MEMORY : HF_OK;
	}
	TRY(data_home(&home));
	return instance_at(home, ret);
}
