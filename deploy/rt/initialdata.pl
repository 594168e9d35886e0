# What the relay needs of an RT 5 with RTIR: the custom field, the service user,
# and the least rights. README.md beside this file says how to load it. It may be
# loaded again: what is there stays, what is missing is added.
#
# From the environment, under the names of the relay's own settings:
#   RTIR_QUEUE           where tickets are made (Incident Reports)
#   RTIR_USERNAME        the service user (rtir-relay)
#   RTIR_PASSWORD_FILE   file with that user's password; needed where the user is
#                        not there yet. Not in this file, of which RT keeps a copy
# and, where the relay hands tickets over to TTS trax,
#   TRAX=1               add the field Reported and what it takes besides
#   TRAX_RELEASE_FIELD   name of a field to add, by which people release tickets
use strict;
use warnings;

my $queue_name = $ENV{RTIR_QUEUE}    || 'Incident Reports';
my $user_name  = $ENV{RTIR_USERNAME} || 'rtir-relay';

my @fields = (
    {   Name        => 'Alert ID',
        Type        => 'FreeformSingle',
        Description => 'The alert that the ticket was made of. To be left as it is',
    },
);
my @rights_on_queue = qw(SeeQueue CreateTicket ShowTicket ModifyTicket);
if ( $ENV{TRAX} ) {
    push @fields,
        {   Name        => 'Reported',
            Type        => 'DateTime',
            MaxValues   => 1,
            Description => 'When the ticket was handed over to trax. Emptied, it is handed over once more',
        };
    # By its own comment the relay knows a ticket that trax has refused.
    push @rights_on_queue, qw(ShowTicketComments);
    push @fields,
        {   Name        => $ENV{TRAX_RELEASE_FIELD},
            Type        => 'SelectSingle',
            Values      => [ { Name => 'yes' } ],
            Description => 'Set it to hand the ticket over to trax',
            Rights      => ['SeeCustomField'],
        }
        if $ENV{TRAX_RELEASE_FIELD};
}
my @rights_on_field = qw(SeeCustomField ModifyCustomField);    # unless it has Rights

# Where people may move or merge those tickets to: the relay has to find them there.
# An RT has some of these queues: RTIR 4 the last, later ones the one before.
my @elsewhere           = qw(Incidents Investigations Countermeasures Blocks);
my @rights_on_elsewhere = qw(ShowTicket);

my $queue = sub {
    my $queue = RT::Queue->new( RT->SystemUser );
    $queue->Load(shift);
    return $queue;
};

my $grant = sub {
    my ( $user, $object, @rights ) = @_;
    for my $right (@rights) {
        my $there = RT::ACE->new( RT->SystemUser );
        $there->LoadByValues(
            PrincipalType => 'User',
            PrincipalId   => $user->PrincipalId,
            RightName     => $right,
            Object        => $object,
        );
        next if $there->id;
        my ( $ok, $message ) = $user->PrincipalObj->GrantRight( Right => $right, Object => $object );
        die "The right $right is not granted: $message\n" unless $ok;
    }
};

my $password = sub {
    my $path = $ENV{RTIR_PASSWORD_FILE}
        or die "Set RTIR_PASSWORD_FILE to a file with the password of the new user $user_name\n";
    open my $file, '<', $path or die "$path: $!\n";
    chomp( my $password = <$file> // '' );
    die "There is no password in $path\n" if $password eq '';
    return $password;
};

my $user = sub {
    my $user = RT::User->new( RT->SystemUser );
    $user->Load($user_name);
    return $user if $user->id;
    my ( $ok, $message ) = $user->Create(
        Name       => $user_name,
        RealName   => 'Alert relay',
        Password   => $password->(),
        Privileged => 1,
    );
    die "The user $user_name is not made: $message\n" unless $ok;
    return $user;
};

my $field = sub {
    my ( $queue, %field ) = @_;
    my $values = delete $field{Values} || [];
    delete $field{Rights};
    my $type  = 'RT::Queue-RT::Ticket';
    my $field = RT::CustomField->new( RT->SystemUser );
    $field->LoadByName( Name => $field{Name}, LookupType => $type );
    unless ( $field->id ) {
        my ( $ok, $message ) = $field->Create( %field, LookupType => $type );
        die "The custom field $field{Name} is not made: $message\n" unless $ok;
        for my $value (@$values) {
            ( $ok, $message ) = $field->AddValue(%$value);
            die "The value $value->{Name} of $field{Name} is not made: $message\n" unless $ok;
        }
    }
    unless ( $field->IsGlobal || $field->IsAdded( $queue->id ) ) {
        my ( $ok, $message ) = $field->AddToObject($queue);
        die "The custom field $field{Name} is not applied: $message\n" unless $ok;
    }
    return $field;
};

# Not @Final, whose failures RT only logs; and not @ACL, which takes no right twice.
our @Initial = (
    sub {
        my $reports = $queue->($queue_name);
        die "There is no queue $queue_name\n" unless $reports->id;
        my $relay = $user->();
        $grant->( $relay, $reports, @rights_on_queue );
        $grant->( $relay, $field->( $reports, %$_ ), @{ $_->{Rights} || \@rights_on_field } ) for @fields;
        $grant->( $relay, $_, @rights_on_elsewhere ) for grep { $_->id } map { $queue->($_) } @elsewhere;
    },
);

1;
