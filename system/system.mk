# SPDX-License-Identifier: ISC
# What makes it at home on a system: units, users, directories, completion, AppArmor.
SYSTEM_TEMPLATES = system/snicert-check.service.in system/snicert.tmpfiles.in system/apparmor.in
SYSTEM_MADE = system/snicert-check.service system/tmpfiles/snicert.conf system/sysusers/snicert.conf \
	system/apparmor/snicert
SYSTEM_TEMPLATES += system/snicert-exporter.service.in system/snicert-textfile.service.in
SYSTEM_MADE += system/snicert-exporter.service system/snicert-textfile.service
SYSTEM_TEMPLATES += system/snicert-verify.service.in
SYSTEM_MADE += system/snicert-verify.service

EXTRA_DIST += system/snicert-textfile.timer system/prometheus/snicert.test.yml
dist_examples_DATA += system/prometheus/snicert.rules.yml
grafanadir = $(docdir)/examples/grafana
dist_grafana_DATA = system/grafana/snicert.json
COMPLETIONS = completion/snicert completion/_snicert completion/snicert.fish
EXTRA_DIST += $(SYSTEM_TEMPLATES) system/snicert-check.timer system/snicert-verify.timer system/snicert.sysusers snicert.spec debian

# Installed with the module, whatever else is: its path is in it.
SYSTEM_TEMPLATES += system/openssl.cnf.in
SYSTEM_MADE += system/openssl.cnf
pkgdata_DATA = system/openssl.cnf

system_edit = $(MKDIR_P) $(@D) && sed -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|@localstatedir[@]|$(localstatedir)|g' -e 's|@moduledir[@]|$(moduledir)|g' \
	-e 's|@runstatedir[@]|/run|g' -e 's|@datadir[@]|$(pkgdatadir)|g'
system/openssl.cnf: $(srcdir)/system/openssl.cnf.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/openssl.cnf.in >$@
system/snicert-check.service: $(srcdir)/system/snicert-check.service.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert-check.service.in >$@
system/snicert-verify.service: $(srcdir)/system/snicert-verify.service.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert-verify.service.in >$@
system/snicert-exporter.service: $(srcdir)/system/snicert-exporter.service.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert-exporter.service.in >$@
system/snicert-textfile.service: $(srcdir)/system/snicert-textfile.service.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert-textfile.service.in >$@
system/tmpfiles/snicert.conf: $(srcdir)/system/snicert.tmpfiles.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert.tmpfiles.in >$@
system/sysusers/snicert.conf: $(srcdir)/system/snicert.sysusers Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert.sysusers >$@
system/apparmor/snicert: $(srcdir)/system/apparmor.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/apparmor.in >$@

completion/snicert: snicert$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./snicert$(EXEEXT) completion bash >$@
completion/_snicert: snicert$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./snicert$(EXEEXT) completion zsh >$@
completion/snicert.fish: snicert$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./snicert$(EXEEXT) completion fish >$@

# The service of `snicert watch`.
SYSTEM_MADE += system/snicert-watch@.service
EXTRA_DIST += system/snicert-watch@.service.in
system/snicert-watch@.service: $(srcdir)/system/snicert-watch@.service.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert-watch@.service.in >$@

# That of `snicert follow`.
SYSTEM_MADE += system/snicert-follow.service
EXTRA_DIST += system/snicert-follow.service.in
system/snicert-follow.service: $(srcdir)/system/snicert-follow.service.in Makefile
	$(AM_V_GEN)$(system_edit) $(srcdir)/system/snicert-follow.service.in >$@

if SYSTEM_FILES
systemdunit_DATA = system/snicert-check.service $(srcdir)/system/snicert-check.timer
systemdunit_DATA += system/snicert-verify.service $(srcdir)/system/snicert-verify.timer
systemdunit_DATA += system/snicert-watch@.service system/snicert-follow.service
systemdunit_DATA += system/snicert-exporter.service system/snicert-textfile.service \
	$(srcdir)/system/snicert-textfile.timer
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = system/sysusers/snicert.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
tmpfiles_DATA = system/tmpfiles/snicert.conf
apparmordir = $(sysconfdir)/apparmor.d/abstractions
apparmor_DATA = system/apparmor/snicert
if RUNS_HERE
bashcompletiondir = $(datadir)/bash-completion/completions
bashcompletion_DATA = completion/snicert
zshcompletiondir = $(datadir)/zsh/vendor-completions
zshcompletion_DATA = completion/_snicert
fishcompletiondir = $(datadir)/fish/vendor_completions.d
fishcompletion_DATA = completion/snicert.fish
endif
endif
CLEANFILES += $(SYSTEM_MADE) $(COMPLETIONS)
