# For an RT without RTIR: the lifecycles that RTIR gives to its queues Incident
# Reports and Investigations. A file for RT_SiteConfig.d.
Set( %Lifecycles,
    incident_reports => {
        initial     => ['new'],
        active      => ['open'],
        inactive    => [ 'resolved', 'rejected' ],
        defaults    => { on_create => 'new', on_merge => 'resolved' },
        transitions => {
            ''       => [ 'new', 'open', 'resolved' ],
            new      => [ 'open', 'resolved', 'rejected' ],
            open     => [ 'resolved', 'rejected' ],
            resolved => ['open'],
            rejected => ['open'],
        },
        rights  => { '* -> *' => 'ModifyTicket' },
        actions => [],
    },
    investigations => {
        initial     => [],
        active      => ['open'],
        inactive    => ['resolved'],
        defaults    => { on_create => 'open', on_merge => 'resolved' },
        transitions => {
            ''       => [ 'open', 'resolved' ],
            open     => ['resolved'],
            resolved => ['open'],
        },
        rights  => { '* -> *' => 'ModifyTicket' },
        actions => [],
    },
    # So that tickets can be moved between these queues and those of RT's own lifecycle.
    __maps__ => {
        'incident_reports -> investigations' =>
            { new => 'open', open => 'open', resolved => 'resolved', rejected => 'resolved' },
        'investigations -> incident_reports' =>
            { map { $_ => $_ } qw(open resolved) },
        'incident_reports -> default' =>
            { map { $_ => $_ } qw(new open resolved rejected) },
        'default -> incident_reports' => {
            ( map { $_ => $_ } qw(new open resolved rejected) ),
            stalled => 'open',
            deleted => 'rejected',
        },
    },
);

1;
