//! One suite for every store: in memory, in a file, in an encrypted file, on a PostgreSQL server of its own.
//! Beside it, what only servers can get wrong; what only files can is in `../file`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod cases;
mod ground;
mod server;

/// Makes a test of each case on each kind of store.
macro_rules! contract {
    ($($room:ident { $($case:ident)* })*) => {
        contract! { @on memory [$($room { $($case)* })*] }
        contract! { @on plain [$($room { $($case)* })*] }
        contract! { @on encrypted [$($room { $($case)* })*] }
        contract! { @on postgres [$($room { $($case)* })*] }
    };
    (@on $kind:ident [$($room:ident { $($case:ident)* })*]) => {
        mod $kind {
            $(mod $room {
                $(#[test]
                fn $case() {
                    crate::cases::$room::$case(&crate::ground::$kind());
                })*
            })*
        }
    };
}

contract! {
    users {
        a_user_reads_back_whole
        names_and_addresses_are_unique_whatever_their_case
        many_are_made_or_none
        lists_go_by_name_byte_by_byte
        every_user_is_handed_over
        a_change_changes_what_it_says
        a_change_of_nobody_is_missing
        an_end_of_tokens_never_moves_back
        a_hash_is_replaced_only_where_it_is_still_the_one
        a_second_factor_is_kept_and_removed
        a_step_is_taken_once_and_only_forward
        a_recovery_code_is_taken_once
        who_is_deleted_leaves_nothing
        odd_texts_are_kept_as_they_are
        a_zero_byte_is_refused_and_found_by_nobody
    }
    keys {
        a_key_reads_back_whole
        keys_are_made_for_somebody_or_not_at_all
        lists_are_in_order
        only_valid_keys_are_handed_over
        a_rotation_leaves_both_until_the_old_one_ends
        a_rotation_never_makes_a_key_live_longer
        what_is_revoked_or_foreign_does_not_rotate
        a_revocation_keeps_its_first_moment
        all_keys_of_a_user_are_revoked_at_once
        the_last_use_moves_forward_only
        a_hundred_thousand_are_made_in_seconds
    }
    sessions {
        a_session_reads_back_whole
        a_session_needs_its_user_and_its_device
        above_the_most_those_used_longest_ago_end
        sessions_are_listed_and_ended
        what_is_too_old_or_idle_expires
        being_seen_moves_forward_only
    }
    attempts {
        an_attempt_reads_back_until_it_ends
        failures_are_counted
        an_attempt_ends_once
        what_is_late_expires
    }
    devices {
        a_device_is_pending_until_it_is_registered
        a_registration_has_its_reasons_to_fail
        devices_are_listed
        a_removed_device_takes_its_sessions_along
        pending_ones_expire_and_registered_ones_stay
    }
    families {
        a_family_rotates_step_by_step
        a_token_used_twice_ends_its_family
        what_ended_stays_ended
        a_token_ahead_of_its_store_ends_its_family
        families_of_a_user_end_together
        ended_ones_are_handed_over
        what_expired_is_forgotten
    }
    signing_keys {
        a_key_reads_back_and_the_newest_is_first
        a_new_key_ends_the_others_of_its_algorithm
        of_several_nodes_one_makes_the_first
        a_name_is_given_once
    }
    changes {
        every_act_writes_its_entry
        what_changes_nothing_writes_nothing
        a_failed_act_writes_nothing
        entries_come_in_order_and_in_pages
        what_is_forgotten_is_lost_but_never_the_last
        a_number_from_elsewhere_is_lost
    }
    audit {
        a_record_reads_back_whole
        a_zero_byte_holds_nothing_up
        records_are_found_by_what_is_asked
        old_records_go_and_the_rest_is_proven
        a_clock_that_went_back_keeps_what_stands_behind
        of_many_writers_each_record_has_its_place
        the_log_can_be_read_and_written_while_it_is_walked
    }
    usage {
        minutes_add_up
        who_asked_most_is_first
        of_many_processes_all_is_counted
        what_was_seen_first_stays_so
    }
    races {
        of_two_that_present_one_token_one_rotates
        no_user_has_more_devices_than_it_may
        no_user_has_more_sessions_than_it_may
        a_step_is_taken_by_one_of_many
        a_recovery_code_is_taken_by_one_of_many
        an_attempt_is_ended_by_one_of_many
        a_name_is_given_to_one_of_many
        of_many_nodes_one_makes_the_signing_key
        changes_become_visible_in_their_order
        acts_that_cross_each_other_all_come_to_an_end
        a_user_deleted_under_way_leaves_nothing_behind
    }
    lasting {
        it_answers_and_says_what_it_is
        another_process_sees_what_was_done_at_once
        what_was_done_is_there_after_it_was_closed
        the_store_can_be_used_while_everything_is_read
    }
}
