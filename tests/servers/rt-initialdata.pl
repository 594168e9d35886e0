# What the throw-away RT holds besides RT's own data: three queues, the custom
# field, and the service user with the least rights. Loaded once by `rt start`.
use strict;
use warnings;

our @Queues = (
    {   Name              => 'Incident Reports',
        Lifecycle         => 'incident_reports',
        CorrespondAddress => 'incident-reports@rt.example',
        CommentAddress    => 'incident-reports-comment@rt.example',
    },
    # People move tickets here. One queue does not have the field, one does.
    { Name => 'Investigations' },
    { Name => 'Countermeasures' },
);

our @CustomFields = (
    {   Name  => 'Alert ID',
        Type  => 'FreeformSingle',
        Queue => [ 'Incident Reports', 'Countermeasures' ],
    },
);

our @Users = (
    {   Name         => 'rtir-relay',
        RealName     => 'Alert relay',
        EmailAddress => 'rtir-relay@rt.example',
        Password     => 'relay-rt-password',
        Privileged   => 1,
    },
);

my %rights = (
    'Incident Reports' =>
        [qw(SeeQueue CreateTicket ShowTicket CommentOnTicket ModifyTicket)],
    'Investigations'  => [qw(SeeQueue ShowTicket)],
    'Countermeasures' => [qw(SeeQueue ShowTicket CommentOnTicket ModifyTicket)],
);
our @ACL;
for my $queue ( sort keys %rights ) {
    push @ACL, map { { UserId => 'rtir-relay', Queue => $queue, Right => $_ } }
        @{ $rights{$queue} };
}

our @Final = (
    sub {
        my $user = RT::User->new( RT->SystemUser );
        $user->Load('rtir-relay');

        # By hand: @ACL finds a field only by its name and one of its queues.
        my $field = RT::CustomField->new( RT->SystemUser );
        $field->LoadByName( Name => 'Alert ID', LookupType => 'RT::Queue-RT::Ticket' );
        for my $right (qw(SeeCustomField ModifyCustomField)) {
            my ( $ok, $message ) =
                $user->PrincipalObj->GrantRight( Object => $field, Right => $right );
            die "$right: $message" unless $ok;
        }

        my $token = RT::AuthToken->new( RT->SystemUser );
        my ( $ok, $message, $secret ) =
            $token->Create( Owner => $user->id, Description => 'alert relay' );
        die "token: $message" unless $ok;
        my $umask = umask 077;
        open my $file, '>', "$ENV{RELAY_LAB_RT_DIR}/relay.token" or die "relay.token: $!";
        print {$file} "$secret\n";
        close $file or die "relay.token: $!";
        umask $umask;
    },
);

1;
