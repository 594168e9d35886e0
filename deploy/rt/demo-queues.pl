# For an RT without RTIR, to try the relay on and to test it: the queues that
# matter here, as RTIR makes them. Their lifecycles are in demo-lifecycles.pm.
# An RT with RTIR has them: there, initialdata.pl is all that is needed.
use strict;
use warnings;

our @Queues = (
    {   Name              => 'Incident Reports',
        Lifecycle         => 'incident_reports',
        CorrespondAddress => 'incident-reports@rt.example',
        CommentAddress    => 'incident-reports-comment@rt.example',
    },
    { Name => 'Investigations', Lifecycle => 'investigations' },
);

1;
